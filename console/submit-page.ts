// The page that submits a job: the job file is typed, pasted or chosen; the coordinator's errors
// are shown field by field.
import type { SubmitAnswer } from '../shared/http-api.ts';
import { ApiFailure, post } from './api.ts';
import { h, put, setAttribute } from './dom.ts';
import type { PageContext } from './page-context.ts';
import { addressOf } from './place.ts';

const example = `name: my-first-job
task: { distribution: sinusoid, shots: 5 }
model: { architecture: mlp, hiddenLayers: [40, 40] }
algorithm: { name: maml, order: second, innerSteps: 1, innerLearningRate: 0.01 }
meta: { iterations: 2000, batchSize: 25, optimizer: { name: adam, learningRate: 0.005 } }
`;

export function showSubmitPage({ main, who }: PageContext): void {
  document.title = 'Submit a job · MetaTrain';
  if (!who.roles.includes('submit') && !who.roles.includes('admin')) {
    put(
      main,
      h(
        'section',
        { class: 'card narrow' },
        h('h1', {}, 'Submit a job'),
        h(
          'p',
          {},
          `Submitting asks for the role submit or admin; the token of ${who.name} has: ${who.roles.join(', ')}.`,
        ),
      ),
    );
    return;
  }
  const text = h('textarea', {
    id: 'spec',
    rows: '16',
    spellcheck: 'false',
    required: true,
    'aria-describedby': 'spec-help problems',
  });
  text.value = example;
  const file = h('input', { id: 'file', type: 'file', accept: '.yaml,.yml,.json' });
  file.addEventListener('change', () => {
    void file.files?.[0]?.text().then((content) => {
      text.value = content;
      text.focus();
    });
  });
  const problems = h('div', { id: 'problems', role: 'alert', class: 'problems' });
  const button = h('button', { class: 'primary', type: 'submit' }, 'Submit the job');
  // One form is one job, however often its button is pressed.
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    if (button.getAttribute('aria-busy') === 'true') return;
    put(problems);
    setAttribute(text, 'aria-invalid', undefined);
    setAttribute(button, 'aria-busy', 'true');
    try {
      const { jobId } = await post<SubmitAnswer>('/jobs', { spec: text.value });
      location.assign(addressOf(`/jobs/${encodeURIComponent(jobId)}`));
    } catch (thrown) {
      if (!(thrown instanceof ApiFailure)) throw thrown;
      setAttribute(text, 'aria-invalid', 'true');
      put(problems, ...describe(thrown));
      text.focus();
    } finally {
      setAttribute(button, 'aria-busy', undefined);
    }
  };
  put(
    main,
    h(
      'form',
      { class: 'card submit', onsubmit: (event) => void submit(event) },
      h('h1', {}, 'Submit a job'),
      h('label', { for: 'spec' }, 'Job file'),
      text,
      h('p', { id: 'spec-help', class: 'muted' }, 'YAML or JSON, at most 64 KiB. What is left out has a default.'),
      problems,
      h('div', { class: 'submit-line' }, h('label', { for: 'file' }, 'From a file'), file, button),
    ),
  );
}

function describe({ message, problems }: ApiFailure): HTMLElement[] {
  if (problems.length === 0) return [h('p', { class: 'problem' }, message)];
  const rows = problems.map(({ field, got, accepted }) =>
    h('li', {}, h('code', {}, field), `: got ${got}; accepted: ${accepted}`),
  );
  return [h('p', { class: 'problem' }, 'This is no job file yet:'), h('ul', {}, ...rows)];
}
