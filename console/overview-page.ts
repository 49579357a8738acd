// The overview page: jobs, workers and events, live.
import type { ClusterEvent } from '../shared/cluster-event.ts';
import type { JobRow, WorkerList } from '../shared/http-api.ts';
import { atLastPoint } from '../shared/measures.ts';
import { formatCount, formatDuration, formatRate } from '../shared/numbers.ts';
import type { Streamed } from './api.ts';
import { atMostEvery, beforeNextFrame, every } from './clock.ts';
import { h, put, setAttribute, setText } from './dom.ts';
import { EventList } from './event-list.ts';
import { jobActions } from './job-actions.ts';
import { JobFilter } from './job-filter.ts';
import { KeptJobs } from './kept-jobs.ts';
import { keepLive } from './live.ts';
import type { PageContext } from './page-context.ts';
import { addressOf } from './place.ts';
import { progressBar } from './progress-bar.ts';
import { Table, textCell } from './table.ts';
import {
  clusterEventText,
  etaText,
  hasEnded,
  nothing,
  paceText,
  resultText,
  stateBadge,
  timeElement,
  waitText,
} from './words.ts';
import { WorkersTable } from './workers-table.ts';

const keptEvents = 200;
/** A limit for any number of jobs. */
const loadEveryMs = 1_000;

export async function showOverview({ main, who, refused }: PageContext): Promise<void> {
  document.title = 'MetaTrain';
  const jobs = new KeptJobs();
  const figures = new Figures();
  const jobsTable = makeJobsTable(who.roles.includes('submit') || who.roles.includes('admin'), (job) => keep(job));
  const older = h('button', { type: 'button', hidden: true, onclick: () => void loadOlder() }, 'Older jobs');
  const workers = new WorkersTable();
  const events = new EventList(keptEvents);
  const filter = new JobFilter(() => draw());

  const draw = beforeNextFrame(() => {
    const rows = jobs.rows();
    filter.setTags(rows.flatMap(({ tags }) => tags));
    jobsTable.show(rows.filter((job) => filter.accepts(job)));
    older.hidden = !jobs.hasOlder;
    figures.show(rows, workers.list);
  });
  const keep = (job: JobRow) => {
    jobs.keep(job);
    draw();
  };
  const loadOlder = () => jobs.loadOlder().then(draw, () => undefined);
  const loadNew = atMostEvery(loadEveryMs, () => void jobs.load().then(draw, () => undefined));

  put(
    main,
    h('h1', { class: 'hidden-text' }, 'Overview'),
    figures.element,
    h(
      'section',
      { 'aria-labelledby': 'jobs-title' },
      h('h2', { id: 'jobs-title' }, 'Jobs'),
      filter.element,
      jobsTable.element,
      older,
    ),
    h('section', { 'aria-labelledby': 'workers-title' }, h('h2', { id: 'workers-title' }, 'Workers'), workers.element),
    h('section', { 'aria-labelledby': 'events-title' }, h('h2', { id: 'events-title' }, 'Events'), events.element),
  );
  every(1_000, () => workers.tick());

  const take = (item: Streamed<ClusterEvent>) => {
    if (item.kind === 'workers') {
      workers.take(item.data);
      draw();
    } else if (item.kind === 'waiting') {
      jobs.wait(item.data);
      draw();
    } else if (item.kind === 'happened') {
      const { data: event } = item;
      const job = jobs.find(event.subject);
      if (job) keep(jobAfter(job, event));
      else if (event.type === 'metatrain.v1.job.state_changed') loadNew();
      if (event.type === 'metatrain.v1.job.meta_steps_applied') return;
      const isOfJob = event.type.startsWith('metatrain.v1.job.');
      const name = event.type === 'metatrain.v1.job.state_changed' ? event.data.name : job?.name;
      events.add({
        key: event.id,
        time: event.time,
        subject: name ?? event.subject,
        ...(isOfJob && { href: addressOf(`/jobs/${event.subject}`) }),
        text: clusterEventText(event),
        isBad: isBad(event),
      });
    }
  };
  await keepLive<ClusterEvent>({
    path: '/events',
    load: async (signal) => {
      jobs.clear();
      events.clear();
      await jobs.load(signal);
      draw();
    },
    take,
    refused,
  });
}

/** The job after the event. An event that is older than the present state changes nothing. */
function jobAfter(job: JobRow, event: ClusterEvent): JobRow {
  if (event.type === 'metatrain.v1.job.meta_steps_applied') {
    const { jobId: _, jobSequence: __, ...lastMetaStep } = event.data;
    if (hasEnded(job.state) || lastMetaStep.step < job.steps) return job;
    return { ...job, steps: lastMetaStep.step, lastMetaStep };
  }
  if (event.type === 'metatrain.v1.job.evaluated') {
    const { step, measures } = event.data;
    return { ...job, lastEvaluation: { step, measures: atLastPoint(measures) } };
  }
  if (event.type === 'metatrain.v1.job.state_changed') {
    const { state, steps, startedAt, endedAt, error } = event.data;
    if (hasEnded(job.state)) return job;
    return {
      ...job,
      state,
      steps: Math.max(steps, job.steps),
      ...(startedAt !== undefined && { startedAt }),
      ...(endedAt !== undefined && { endedAt }),
      ...(error && { error }),
    };
  }
  return job;
}

const isBad = (event: ClusterEvent): boolean =>
  event.type === 'metatrain.v1.job.shard_retried' ||
  event.type === 'metatrain.v1.worker.quarantined' ||
  (event.type === 'metatrain.v1.job.state_changed' && event.data.state === 'failed');

function makeJobsTable(maySubmit: boolean, onDone: (job: JobRow) => void): Table<JobRow> {
  const empty = h(
    'p',
    { class: 'empty' },
    'No jobs yet. ',
    maySubmit
      ? h('a', { href: addressOf('/submit') }, 'Submit the first one')
      : 'Anyone with a token of the role submit can submit one.',
  );
  return new Table<JobRow>(
    'Jobs',
    [
      {
        title: 'Job',
        class: 'name',
        cell: (cell, { jobId, name }) => {
          put(cell, h('a', { href: addressOf(`/jobs/${jobId}`) }, name), h('span', { class: 'id' }, jobId));
          return () => undefined;
        },
      },
      {
        title: 'State',
        cell: (cell) => {
          let shown = '';
          return ({ state, error, waiting }) => {
            const now = `${state} ${waiting?.message}`;
            if (now === shown) return;
            shown = now;
            const why = error?.code ?? (waiting && waitText(waiting));
            const title = error?.message ?? waiting?.message;
            put(cell, stateBadge(state), why !== undefined && h('span', { class: error ? 'id' : 'below', title }, why));
          };
        },
      },
      {
        title: 'Progress',
        class: 'wide',
        cell: (cell, job) => {
          const bar = progressBar(job);
          put(cell, bar.element);
          return bar.update;
        },
      },
      { title: 'Time', class: 'number', cell: textCell(etaText) },
      {
        title: 'Steps/s',
        class: 'number',
        cell: textCell((job) => (job.state === 'running' ? paceText(job.lastMetaStep) : nothing)),
      },
      { title: 'Measured', class: 'number measured', cell: textCell(resultText) },
      {
        title: 'Submitted',
        class: 'number',
        cell: (cell, { submittedAt }) => {
          put(cell, timeElement(submittedAt));
          return () => undefined;
        },
      },
      {
        title: '',
        class: 'actions-cell',
        cell: (cell, job) => {
          const actions = jobActions(job, onDone);
          put(cell, actions.element);
          return actions.update;
        },
      },
    ],
    ({ jobId }) => jobId,
    empty,
  );
}

/** One line about the cluster. */
class Figures {
  readonly element: HTMLElement;
  readonly #values = new Map<string, HTMLElement>();

  constructor() {
    const titles = ['Running', 'Waiting', 'Slots busy', 'Workers', 'Tasks/s', 'All done in'];
    this.element = h(
      'dl',
      { class: 'figures' },
      ...titles.map((title) => {
        const value = h('dd', {}, nothing);
        this.#values.set(title, value);
        return h('div', {}, h('dt', {}, title), value);
      }),
    );
  }

  show(jobs: readonly JobRow[], { workers, total }: WorkerList): void {
    const running = jobs.filter(({ state }) => state === 'running');
    const waiting = jobs.filter(({ state }) => state === 'queued' || state === 'paused');
    const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
    const slots = sum(workers.map((worker) => worker.slots));
    const busy = sum(workers.map((worker) => worker.leases));
    const last = running.flatMap(({ lastMetaStep }) => lastMetaStep ?? []);
    const texts: Record<string, string> = {
      Running: formatCount(running.length),
      Waiting: formatCount(waiting.length),
      'Slots busy': `${formatCount(busy)} of ${formatCount(slots)}`,
      Workers: formatCount(total),
      'Tasks/s': last.length === 0 ? nothing : formatRate(sum(last.map((summary) => summary.tasksPerSecond))),
      'All done in':
        last.length === 0 ? nothing : formatDuration(Math.max(...last.map((summary) => summary.etaSeconds))),
    };
    for (const [title, element] of this.#values) setText(element, texts[title] ?? nothing);
    setAttribute(this.element, 'data-idle', running.length === 0 ? '' : undefined);
  }
}
