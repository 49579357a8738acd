// The page of one job: progress, curves, the evaluation beside the published figure, checkpoints,
// job file and events. Live until the job ends.
import { describeData } from '../shared/data-identity.ts';
import type { CheckpointInfo, JobDetail, JobEvent } from '../shared/http-api.ts';
import { formatMeasured } from '../shared/measures.ts';
import { formatBytes, formatCount, formatDuration, formatRate } from '../shared/numbers.ts';
import { describePlugin } from '../shared/plugin-identity.ts';
import type { Waiting } from '../shared/waiting.ts';
import { ApiFailure, get, getBlob, storedToken } from './api.ts';
import { beforeNextFrame } from './clock.ts';
import { h, KeyedElements, put, setAttribute, setText } from './dom.ts';
import { EventList } from './event-list.ts';
import { jobActions, whyNoActions } from './job-actions.ts';
import { JobCurves } from './job-curves.ts';
import { keepLive } from './live.ts';
import { NewestEvaluation } from './newest-evaluation.ts';
import type { PageContext } from './page-context.ts';
import { addressOf } from './place.ts';
import { progressBar } from './progress-bar.ts';
import { capitalised, etaText, hasEnded, jobEventText, nothing, resultText, stateBadge, timeElement } from './words.ts';

const keptEvents = 500;

interface Figure {
  readonly title: string;
  readonly text: string;
}

export async function showJobPage({ main, refused }: PageContext, jobId: string): Promise<void> {
  const path = `/jobs/${encodeURIComponent(jobId)}`;
  let job: JobDetail;
  try {
    job = await get<JobDetail>(path);
  } catch (thrown) {
    if (!(thrown instanceof ApiFailure)) throw thrown;
    refused(thrown);
    return;
  }
  const page = new JobPage(main, job);
  const reload = async (signal?: AbortSignal) => page.update(await get<JobDetail>(path, signal));
  await keepLive<JobEvent>({
    path: `${path}/events`,
    load: async (signal) => {
      page.clear();
      await reload(signal);
    },
    take: (item) => {
      if (item.kind === 'caught-up') page.caughtUp();
      if (item.kind === 'waiting') page.wait(item.data[jobId]);
      if (item.kind !== 'happened') return;
      page.take(item.data);
      // Other events change more than a summary does. The record already contains replayed events.
      if (page.isCaughtUp && item.data.kind !== 'metaStep') void reload().catch(() => undefined);
    },
    refused,
  });
  await reload().catch(() => undefined);
}

class JobPage {
  #job: JobDetail;
  #isCaughtUp = false;
  readonly #state = h('span');
  readonly #actions;
  readonly #use = h('a', { hidden: true }, 'Use this model');
  readonly #waits = h('p', { hidden: true });
  readonly #note = h('p', { class: 'muted' });
  readonly #error = h('section', { class: 'card error', hidden: true, 'aria-label': 'Why it failed' });
  readonly #progress;
  readonly #figureList = h('dl', { class: 'figures in-card' });
  readonly #figures = new KeyedElements<Figure>(this.#figureList, ({ title }) => {
    const value = h('dd', {});
    const element = h('div', {}, h('dt', {}, title), value);
    return { element, update: ({ text }) => setText(value, text) };
  });
  readonly #facts = h('dl', { class: 'facts' });
  readonly #curves = new JobCurves();
  readonly #noCurves = h('p', { class: 'empty card' });
  readonly #evaluation = new NewestEvaluation();
  readonly #noEvaluation = h('p', { class: 'empty card' });
  readonly #checkpoints = h('div');
  readonly #file = h('code');
  readonly #events = new EventList(keptEvents);
  readonly #draw: () => void;

  constructor(main: HTMLElement, job: JobDetail) {
    this.#job = job;
    setAttribute(this.#use, 'href', addressOf(`/jobs/${encodeURIComponent(job.jobId)}/use`));
    this.#actions = jobActions(job, (next) => this.update(next));
    this.#progress = progressBar(job);
    this.#draw = beforeNextFrame(() => this.#drawNow());
    const section = (id: string, title: string, ...children: Node[]) =>
      h('section', { 'aria-labelledby': id }, h('h2', { id }, title), ...children);
    put(
      main,
      h('p', { class: 'crumbs' }, h('a', { href: addressOf('/') }, 'Overview'), ' / job ', h('code', {}, job.jobId)),
      h('div', { class: 'title-line' }, h('h1', {}, job.name), this.#state, this.#actions.element, this.#use),
      this.#waits,
      this.#note,
      this.#error,
      h('div', { class: 'card' }, this.#progress.element, this.#figureList),
      section('training-title', 'Training', this.#curves.training.element, this.#noCurves),
      section(
        'adaptation-title',
        'Adaptation',
        this.#curves.adaptation.element,
        this.#evaluation.element,
        this.#noEvaluation,
      ),
      section('facts-title', 'Facts', this.#facts),
      section('checkpoints-title', 'Checkpoints', this.#checkpoints),
      section(
        'file-title',
        'Job file',
        h(
          'details',
          {},
          h('summary', {}, 'With every default'),
          h('pre', { tabindex: '0', 'aria-label': 'Job file' }, this.#file),
        ),
      ),
      section('story-title', 'Events', this.#events.element),
    );
    this.#draw();
  }

  get isCaughtUp(): boolean {
    return this.#isCaughtUp;
  }

  clear(): void {
    this.#isCaughtUp = false;
    this.#curves.clear();
    this.#events.clear();
  }

  caughtUp(): void {
    this.#isCaughtUp = true;
    this.#draw();
  }

  update(job: JobDetail): void {
    this.#job = job;
    this.#draw();
  }

  /** @param waiting why the job computes nothing, if it waits. */
  wait(waiting: Waiting | undefined): void {
    const { waiting: _, ...rest } = this.#job;
    this.update({ ...rest, ...(waiting && { waiting }) });
  }

  take(event: JobEvent): void {
    if (event.kind === 'metaStep') {
      const { summary } = event;
      this.#curves.add(summary);
      if (!hasEnded(this.#job.state) && summary.step >= this.#job.steps) {
        this.#job = { ...this.#job, steps: summary.step, lastMetaStep: summary };
      }
    } else {
      const isBad = event.kind === 'shardRetried' || (event.kind === 'stateChanged' && event.state === 'failed');
      this.#events.add({ key: String(event.sequence), time: event.time, text: jobEventText(event), isBad });
    }
    if (this.#isCaughtUp) this.#draw();
  }

  #drawNow(): void {
    const job = this.#job;
    const { state, error, steps, iterations } = job;
    const percent = iterations > 0 ? Math.floor((100 * steps) / iterations) : 0;
    document.title = `${hasEnded(state) ? state : `${percent} %`} · ${job.name} · MetaTrain`;
    if (this.#state.textContent !== state) put(this.#state, stateBadge(state));
    this.#actions.update(job);
    this.#use.hidden = job.checkpoints.length === 0;
    this.#waits.hidden = job.waiting === undefined;
    setText(this.#waits, job.waiting ? `Waits: ${job.waiting.message}.` : '');
    const why = whyNoActions(job);
    this.#note.hidden = why === undefined;
    setText(this.#note, why ?? '');
    this.#error.hidden = error === undefined;
    if (error) put(this.#error, h('h2', {}, error.code), h('p', { class: 'message' }, error.message));
    this.#progress.update(job);
    this.#drawFigures();
    this.#drawFacts();
    this.#curves.draw(job);
    this.#noCurves.hidden = this.#curves.hasMetaSteps;
    setText(this.#noCurves, this.#whyNoCurves());
    this.#evaluation.show(job);
    this.#noEvaluation.hidden = job.evaluations.length > 0;
    setText(this.#noEvaluation, hasEnded(state) ? 'It was never evaluated.' : 'Nothing has been evaluated yet.');
    this.#drawCheckpoints();
    setText(this.#file, job.specYaml);
  }

  #whyNoCurves(): string {
    const { state, lastMetaStep } = this.#job;
    if (lastMetaStep) return 'Loading the curves …';
    return hasEnded(state)
      ? `No curves: it ended (${state}) before its first meta-step was reported.`
      : `No curves yet: it is ${state}, and no meta-step has been reported.`;
  }

  #drawFigures(): void {
    const job = this.#job;
    const { lastMetaStep: last, state } = job;
    // What a job has come to is its evaluation; its last meta-batch is only what it saw last.
    const isResult = hasEnded(state) && job.lastEvaluation !== undefined;
    const figures: Figure[] = [
      { title: 'Time', text: state === 'paused' ? 'paused' : etaText(job) },
      ...(isResult
        ? [{ title: 'Result', text: resultText(job) }]
        : (last?.measures ?? []).map((measure) => ({
            title: capitalised(measure.name),
            text: formatMeasured(measure, measure.value),
          }))),
      { title: 'Steps/s', text: last ? formatRate(last.metaStepsPerSecond) : nothing },
      { title: 'Tasks/s', text: last ? formatRate(last.tasksPerSecond) : nothing },
      { title: 'Learning rate', text: last ? last.learningRate.toPrecision(3) : nothing },
    ];
    this.#figures.show(figures, ({ title }) => title);
  }

  #drawFacts(): void {
    const { submittedAt, startedAt, endedAt, owner, overrides, paramsSha256, engineFingerprint } = this.#job;
    const { mixedFingerprints, data, plugins, skippedTasks } = this.#job;
    const elapsed = startedAt && endedAt ? (Date.parse(endedAt) - Date.parse(startedAt)) / 1_000 : undefined;
    const facts: (readonly [string, Node | string | undefined])[] = [
      ['Submitted', timeElement(submittedAt)],
      ['By', owner === '' ? undefined : owner],
      ['Started', startedAt && timeElement(startedAt)],
      ['Ended', endedAt && timeElement(endedAt)],
      ['Took', elapsed === undefined ? undefined : formatDuration(elapsed)],
      ['Changed with --set', overrides.length === 0 ? undefined : overrides.join(', ')],
      ['Parameters, SHA-256', paramsSha256 === '' ? undefined : h('code', {}, paramsSha256)],
      ['Engine fingerprint', engineFingerprint === '' ? undefined : h('code', {}, engineFingerprint)],
      ['Data', data.length === 0 ? undefined : h('code', {}, describeData(data))],
      ['Plugins', plugins.length === 0 ? undefined : h('code', {}, plugins.map(describePlugin).join(', '))],
      ['Equal bytes', mixedFingerprints ? 'not promised: workers of several fingerprints took part' : undefined],
      ['Skipped tasks', skippedTasks > 0 ? `${formatCount(skippedTasks)}, whose results were not finite` : undefined],
    ];
    put(
      this.#facts,
      ...facts.flatMap(([title, fact]) => (fact ? [h('div', {}, h('dt', {}, title), h('dd', {}, fact))] : [])),
    );
  }

  #shownCheckpoints = '';

  #drawCheckpoints(): void {
    const { checkpoints, jobId, state } = this.#job;
    const shown = JSON.stringify([checkpoints, hasEnded(state)]);
    if (shown === this.#shownCheckpoints) return;
    this.#shownCheckpoints = shown;
    if (checkpoints.length === 0) {
      put(
        this.#checkpoints,
        h(
          'p',
          { class: 'empty card' },
          hasEnded(state)
            ? `None: it ended (${state}) before one was written.`
            : 'None yet. checkpoint.every of the job file says when they are written.',
        ),
      );
      return;
    }
    const rows = [...checkpoints]
      .reverse()
      .map((checkpoint) =>
        h(
          'tr',
          {},
          h('th', { scope: 'row', class: 'number' }, formatCount(checkpoint.step)),
          h('td', { class: 'number' }, formatBytes(checkpoint.bytes)),
          h('td', {}, h('code', { title: checkpoint.sha256 }, `${checkpoint.sha256.slice(0, 16)}…`)),
          h('td', {}, downloadLink(jobId, checkpoint)),
        ),
      );
    const heads = ['Meta-step', 'Size', 'SHA-256', 'File'].map((title, i) =>
      h('th', { scope: 'col', class: i < 2 ? 'number' : undefined }, title),
    );
    put(
      this.#checkpoints,
      h(
        'div',
        { class: 'scroll snug' },
        h('table', {}, h('thead', {}, h('tr', {}, ...heads)), h('tbody', {}, ...rows)),
      ),
    );
  }
}

/**
 * A plain link without a token. With a token, which a link cannot send, the page fetches the file
 * and saves it.
 */
function downloadLink(jobId: string, { step }: CheckpointInfo): HTMLElement {
  const path = `/jobs/${encodeURIComponent(jobId)}/checkpoints/${step}`;
  const name = `${jobId}-step-${step}.safetensors`;
  const problem = h('span', { class: 'problem', role: 'alert' });
  const fetchIt = async (event: MouseEvent) => {
    if (storedToken() === undefined) return;
    event.preventDefault();
    put(problem);
    try {
      const url = URL.createObjectURL(await getBlob(path));
      h('a', { href: url, download: name }).click();
      URL.revokeObjectURL(url);
    } catch (thrown) {
      if (!(thrown instanceof ApiFailure)) throw thrown;
      put(problem, thrown.message);
    }
  };
  const link = h(
    'a',
    {
      href: addressOf(`/api/v1${path}`),
      download: name,
      onclick: (event) => void fetchIt(event),
    },
    'Download',
    h('span', { class: 'hidden-text' }, ` the checkpoint of meta-step ${formatCount(step)}`),
  );
  return h('span', {}, link, problem);
}
