// The page that uses a trained job: a few examples of a new task, then queries; the model is adapted and
// predicts on the cluster's workers.
import type { JobDetail, JobTask, PredictAnswer } from '../shared/http-api.ts';
import { ApiFailure, get, post } from './api.ts';
import { announce, h, put, setAttribute } from './dom.ts';
import { type ExampleBox, exampleBox, type GivenInputs, numbersOf } from './example-box.ts';
import type { PageContext } from './page-context.ts';
import { addressOf } from './place.ts';
import { capitalised } from './words.ts';

/** What a request brings of the task. */
interface GivenSupport extends GivenInputs {
  readonly targets?: readonly number[];
  readonly labels?: readonly string[];
}

interface SupportForm {
  readonly element: HTMLElement;
  /** @throws Error that says what cannot be read. */
  support(): GivenSupport;
}

export async function showUsePage({ main, refused }: PageContext, jobId: string): Promise<void> {
  const path = `/jobs/${encodeURIComponent(jobId)}`;
  let job: JobDetail;
  let task: JobTask;
  try {
    [job, task] = await Promise.all([get<JobDetail>(path), get<JobTask>(`${path}/task`)]);
  } catch (thrown) {
    if (!(thrown instanceof ApiFailure)) throw thrown;
    refused(thrown);
    return;
  }
  document.title = `Use ${job.name} · MetaTrain`;
  const form = task.target === 'classes' ? classesForm(task) : valuesForm(task);
  const queries = exampleBox(task, 'queries', task.form === 'text' ? 'A sentence a line.' : `${perLine(task)} a line.`);
  const problem = h('div', { class: 'problems', role: 'alert' });
  const results = h('div', { 'aria-live': 'polite' });
  const button = h('button', { class: 'primary', type: 'submit' }, 'Adapt and predict');
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    if (button.getAttribute('aria-busy') === 'true') return;
    put(problem);
    setAttribute(button, 'aria-busy', 'true');
    try {
      const body = { job_id: jobId, support: form.support(), queries: queries.inputs() };
      const answer = await post<PredictAnswer>('/models/predict', body);
      put(results, h('h2', {}, 'Predictions'), resultTable(answer, queries));
      announce(`${answer.predictions.length} predictions`);
    } catch (thrown) {
      put(problem, h('p', { class: 'problem' }, thrown instanceof Error ? thrown.message : String(thrown)));
    } finally {
      setAttribute(button, 'aria-busy', undefined);
    }
  };
  put(
    main,
    h(
      'p',
      { class: 'crumbs' },
      h('a', { href: addressOf('/') }, 'Overview'),
      ' / ',
      h('a', { href: addressOf(path) }, `job ${job.name}`),
      ' / use',
    ),
    h('h1', {}, `Use ${job.name}`),
    h('p', { class: 'muted' }, introduction(job, task)),
    h(
      'form',
      { onsubmit: (event) => void submit(event) },
      h(
        'section',
        { class: 'card', 'aria-labelledby': 'support-title' },
        h('h2', { id: 'support-title' }, 'A few examples'),
        form.element,
      ),
      h(
        'section',
        { class: 'card', 'aria-labelledby': 'queries-title' },
        h('h2', { id: 'queries-title' }, 'What to predict'),
        h('label', { for: 'queries' }, 'Queries'),
        queries.element,
      ),
      problem,
      h('div', { class: 'submit-line' }, button),
    ),
    results,
  );
}

function introduction({ words, steps }: JobDetail, { target, ways, isDescribed }: JobTask): string {
  const trained = `${capitalised(words.method)}, ${words.data}, after ${steps.toLocaleString('en-US')} meta-steps.`;
  if (target !== 'classes') return `${trained} Give it some points of a new curve, and it predicts others.`;
  return `${trained} ${isDescribed ? 'Describe' : 'Show it'} ${ways} new classes, and it tells them apart.`;
}

const widthOf = ({ input }: JobTask): number => input.reduce((product, size) => product * size, 1);

const perLine = (task: JobTask): string => (widthOf(task) === 1 ? 'A number' : `${widthOf(task)} numbers`);

function valuesForm(task: JobTask): SupportForm {
  const text = h('textarea', {
    id: 'examples',
    rows: '5',
    spellcheck: 'false',
    required: true,
    'aria-describedby': 'examples-help',
  });
  const width = widthOf(task);
  const hint =
    width + task.outputs === 2
      ? 'An example a line: the input, then its value, such as 1, 2.'
      : `An example a line: ${width} numbers of the input, then ${task.outputs} of its value.`;
  return {
    element: h(
      'div',
      {},
      h('label', { for: 'examples' }, 'Examples'),
      text,
      h('p', { id: 'examples-help', class: 'muted below' }, hint),
    ),
    support() {
      const rows = text.value
        .split('\n')
        .filter((line) => line.trim() !== '')
        .map((line) => numbersOf(line.trim(), width + task.outputs));
      return { numbers: rows.flatMap((row) => row.slice(0, width)), targets: rows.flatMap((row) => row.slice(width)) };
    },
  };
}

function classesForm(task: JobTask): SupportForm {
  const classes = Array.from({ length: task.outputs }, (_, at) => {
    const id = `class-${at + 1}`;
    const name = h('input', { id: `${id}-name`, type: 'text', required: true, maxlength: '200', autocomplete: 'off' });
    name.value = `class ${at + 1}`;
    const hint = task.isDescribed
      ? 'One description.'
      : task.form === 'text'
        ? 'A sentence a line.'
        : `${perLine(task)} a line.`;
    const box = exampleBox(task, id, hint);
    const element = h(
      'div',
      { class: 'class-card', role: 'group', 'aria-label': `Class ${at + 1}` },
      h('label', { for: `${id}-name` }, 'Name'),
      name,
      h('label', { for: id }, task.isDescribed ? 'Description' : 'Examples'),
      box.element,
    );
    return { element, name, box };
  });
  return {
    element: h('div', { class: 'classes' }, ...classes.map(({ element }) => element)),
    support() {
      const given = classes.map(({ name, box }) => ({
        label: name.value.trim(),
        count: box.names().length,
        inputs: box.inputs(),
      }));
      const empty = given.find(({ count }) => count === 0);
      if (empty) throw new Error(`"${empty.label}" has no example; accepted: at least one for each class`);
      const labels = given.flatMap(({ label, count }) => new Array<string>(count).fill(label));
      return { ...joined(given.map(({ inputs }) => inputs)), labels };
    },
  };
}

function joined(all: readonly GivenInputs[]): GivenInputs {
  if (all.some(({ images }) => images)) return { images: all.flatMap(({ images = [] }) => images) };
  if (all.some(({ texts }) => texts)) return { texts: all.flatMap(({ texts = [] }) => texts) };
  return { numbers: all.flatMap(({ numbers = [] }) => numbers) };
}

function resultTable({ predictions, classes }: PredictAnswer, queries: ExampleBox): HTMLElement {
  const names = queries.names();
  const pictures = queries.pictures();
  const head = (title: string, isNumber = false) =>
    h('th', { scope: 'col', class: isNumber ? 'number' : undefined }, title);
  const rows = predictions.map(({ outputs, className, probabilities = [] }, at) => {
    const name = names[at] ?? `#${at + 1}`;
    const query = h('th', { scope: 'row' }, pictures[at] ? copyOf(pictures[at]) : name);
    if (className === undefined)
      return h('tr', {}, query, h('td', { class: 'number' }, outputs.map(valueText).join(', ')));
    const shares = probabilities.map((share) => h('td', { class: 'number' }, `${(100 * share).toFixed(1)} %`));
    return h('tr', {}, query, h('td', {}, h('strong', {}, className)), ...shares);
  });
  const heads =
    classes.length === 0
      ? [head('Query'), head('Prediction', true)]
      : [head('Query'), head('Class'), ...classes.map((name) => head(name, true))];
  return h(
    'div',
    { class: 'scroll snug' },
    h('table', { 'aria-label': 'Predictions' }, h('thead', {}, h('tr', {}, ...heads)), h('tbody', {}, ...rows)),
  );
}

const valueText = (value: number): string => Number(value.toPrecision(5)).toString();

/** A canvas can stand in one place only. */
function copyOf(picture: HTMLCanvasElement): HTMLCanvasElement {
  const { width, height } = picture;
  const copy = h('canvas', { width, height, role: 'img', 'aria-label': picture.getAttribute('aria-label') ?? '' });
  copy.getContext('2d')?.drawImage(picture, 0, 0);
  return copy;
}
