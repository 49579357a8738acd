// The HTTP API under /api/v1, for the console and for any client with a token. Checks requests,
// calls what the gRPC services call, and answers in JSON (shared/http-api.ts). docs/console.md
// describes it.
import type { Clock } from '../../shared/clock.ts';
import type { JobList, SubmitAnswer, WhoAmI } from '../../shared/http-api.ts';
import { answerJson, type HttpApp, type HttpRoutes, maxBodyBytes } from '../../shared/http-server.ts';
import { roles } from '../../shared/tokens.ts';
import type { Caller } from '../access/authentication.ts';
import { invalidField, type JobRequests } from '../job-requests.ts';
import type { JobBook } from '../jobs/job-book.ts';
import type { ModelRequests } from '../model-requests.ts';
import type { Runner } from '../runner/runner.ts';
import type { CheckpointStore } from '../store/checkpoint-store.ts';
import type { EventLog } from '../store/event-log.ts';
import { type JobRecord, type JobStateName, jobStateNames } from '../store/job-record.ts';
import { clusterStream, endOfStream, jobStream, stillHere, WaitSnapshots, WorkerSnapshots } from './event-streams.ts';
import type { Gate } from './gate.ts';
import { jobDetail, jobRow, workerList } from './json.ts';
import { modelRoutes } from './models.ts';
import type { OpenAnswers, Pouring } from './open-answers.ts';
import { type OriginOptions, refuseForeign } from './origin.ts';

export interface ApiOptions extends Omit<OriginOptions, 'asksForTokens'> {
  /** The coordinator's version. */
  readonly version: string;
}

export interface ApiDependencies {
  readonly gate: Gate;
  readonly requests: JobRequests;
  readonly models: ModelRequests;
  readonly runner: Runner;
  readonly book: JobBook;
  readonly events: EventLog;
  readonly checkpoints: CheckpointStore;
  readonly answers: OpenAnswers;
  readonly clock: Clock;
}

const commonHeaders = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
const eventStream: Pouring = {
  headers: { ...commonHeaders, 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' },
  lastWords: endOfStream,
  stillHere,
};

export function api(options: ApiOptions, dependencies: ApiDependencies): HttpRoutes {
  const { gate, requests, runner, book, events, checkpoints, answers, clock } = dependencies;
  const snapshots = new WorkerSnapshots(runner, clock);
  const waits = new WaitSnapshots(runner, clock);
  const mayRead = gate.admits('read', 'admin');
  const maySubmit = gate.admits('submit', 'admin');
  const detail = (record: JobRecord, visitor: Caller) => jobDetail(record, visitor, requests.whyWaits(record));
  const anyRole = gate.admits(...roles);
  return (app: HttpApp) => {
    app.use('/api/*', refuseForeign({ ...options, asksForTokens: gate.asksForTokens }));
    app.use('/api/*', async (context, next) => {
      for (const [name, value] of Object.entries(commonHeaders)) context.header(name, value);
      await next();
    });

    app.get('/api/v1/whoami', anyRole, (context) => {
      const { name, roles } = context.var.visitor;
      const { asksForTokens } = gate;
      return answerJson(context, { name, roles: [...roles], asksForTokens, version: options.version } satisfies WhoAmI);
    });

    app.get('/api/v1/schema', anyRole, (context) => answerJson(context, requests.jobFileSchema()));

    app.get('/api/v1/jobs', mayRead, (context) => {
      const { page_size: size = '0', page_token: pageToken = '' } = context.req.query();
      const pageSize = wholeNumber('page_size', size);
      const states = new Set((context.req.queries('state') ?? []).map(stateNamed));
      const page = requests.page({ pageSize, pageToken, states });
      const waiting = requests.waiting();
      const jobs = page.jobs.map((record) => jobRow(record, context.var.visitor, waiting.get(record.jobId)));
      return answerJson(context, { jobs, nextPageToken: page.nextPageToken } satisfies JobList);
    });

    app.post('/api/v1/jobs', maySubmit, async (context) => {
      const { spec, idempotencyKey, overrides } = submission(textOf(await context.env.exchange.body()));
      const answer: SubmitAnswer = await requests.submit(spec, idempotencyKey, context.var.visitor, overrides);
      return answerJson(context, answer);
    });

    app.get('/api/v1/jobs/:jobId', mayRead, (context) =>
      answerJson(context, detail(book.record(context.req.param('jobId')), context.var.visitor)),
    );

    for (const control of ['pause', 'resume', 'cancel'] as const) {
      app.post(`/api/v1/jobs/:jobId/${control}`, maySubmit, async (context) => {
        const { visitor } = context.var;
        const record = await requests.control(control, context.req.param('jobId'), visitor);
        return answerJson(context, detail(record, visitor));
      });
    }

    app.delete('/api/v1/jobs/:jobId', maySubmit, async (context) => {
      await requests.delete(context.req.param('jobId'), context.var.visitor);
      return answerJson(context, {});
    });

    app.get('/api/v1/jobs/:jobId/events', mayRead, (context) =>
      answers.pour(context, eventStream, (over) =>
        jobStream({ book, waits, clock }, context.req.param('jobId'), after(context.req) ?? 0, over),
      ),
    );

    app.get('/api/v1/jobs/:jobId/checkpoints/:step', mayRead, (context) => {
      const { jobId, step } = context.req.param();
      const checkpoint = requests.checkpoint(jobId, step === 'latest' ? undefined : wholeNumber('step', step));
      const headers = {
        ...commonHeaders,
        'content-type': 'application/octet-stream',
        'content-length': String(checkpoint.bytes),
        'content-disposition': `attachment; filename="${jobId}-step-${checkpoint.step}.safetensors"`,
        etag: `"${checkpoint.sha256}"`,
      };
      return answers.pour(context, { headers }, () => checkpoints.stream(jobId, checkpoint));
    });

    modelRoutes(app, dependencies);

    app.get('/api/v1/workers', mayRead, (context) => answerJson(context, workerList(runner.workers(), clock.now())));

    app.get('/api/v1/events', mayRead, (context) =>
      answers.pour(context, eventStream, (over) =>
        clusterStream({ events, workers: snapshots, waits, clock }, after(context.req), over),
      ),
    );
  };
}

interface Asked {
  query(name: string): string | undefined;
  header(name: string): string | undefined;
}

/** The sequence after which an event stream resumes; undefined if the reader named none. */
function after(request: Asked): number | undefined {
  const text = request.query('after') ?? request.header('last-event-id');
  return text === undefined ? undefined : wholeNumber('after', text);
}

function wholeNumber(field: string, text: string): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw invalidField(field, JSON.stringify(text.slice(0, 100)), 'a whole number, 0 or more');
}

function stateNamed(text: string): JobStateName {
  const state = jobStateNames.find((name) => name === text);
  if (state) return state;
  throw invalidField('state', JSON.stringify(text.slice(0, 100)), jobStateNames.join(', '));
}

function textOf(body: Uint8Array): string {
  const isTooLong = body.byteLength > maxBodyBytes;
  if (isTooLong) throw invalidField('(body)', `more than ${maxBodyBytes} bytes`, 'a job file of at most 64 KiB');
  return Buffer.from(body).toString('utf8');
}

/** `{"spec": TEXT, "idempotency_key": TEXT}`, the second optional. */
interface SubmissionBody {
  readonly spec: string;
  readonly idempotencyKey: string;
  readonly overrides: readonly string[];
}

function submission(body: string): SubmissionBody {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw invalidField('(body)', 'no JSON', '{"spec": "the job file as text"}');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidField('(body)', JSON.stringify(value).slice(0, 100), 'an object with the field spec');
  }
  const { spec, idempotency_key: idempotencyKey = '', overrides = [], ...unknown } = value as Record<string, unknown>;
  if (typeof spec !== 'string') throw invalidField('spec', typeof spec, 'the job file as text, YAML or JSON');
  if (typeof idempotencyKey !== 'string') throw invalidField('idempotency_key', typeof idempotencyKey, 'a text');
  if (!(Array.isArray(overrides) && overrides.every((override) => typeof override === 'string'))) {
    throw invalidField('overrides', JSON.stringify(overrides).slice(0, 100), 'a list of texts');
  }
  const [other] = Object.keys(unknown);
  if (other !== undefined) {
    throw invalidField(other.slice(0, 100), 'a field that is unknown', 'spec, idempotency_key, overrides');
  }
  return { spec, idempotencyKey, overrides };
}
