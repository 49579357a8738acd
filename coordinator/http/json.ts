// Turns the coordinator's records into the JSON of the HTTP API (shared/http-api.ts). Pure.
import type { CheckpointInfo, JobDetail, JobEvent, JobRow, WorkerList, WorkerRow } from '../../shared/http-api.ts';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import { yamlText } from '../../shared/job-spec/yaml.ts';
import { atLastPoint } from '../../shared/measures.ts';
import type { Waiting } from '../../shared/waiting.ts';
import type { Caller } from '../access/authentication.ts';
import { workerState } from '../core/census.ts';
import { mayControl } from '../job-requests.ts';
import {
  askedFor,
  type CheckpointRecord,
  type JobEventBody,
  type JobEventRecord,
  type JobRecord,
  tagsOf,
} from '../store/job-record.ts';
import type { WorkerView } from '../workers/worker-links.ts';

/**
 * @param caller the client that asks.
 * @param waiting why the job computes nothing; undefined if it does not wait.
 */
export function jobRow(record: JobRecord, caller: Caller, waiting: Waiting | undefined): JobRow {
  const { jobId, name, state, owner = '', submittedAt, startedAt, endedAt, steps, iterations } = record;
  const { lastMetaStep, error } = record;
  const evaluation = record.evaluations.at(-1);
  return {
    jobId,
    name,
    state,
    owner,
    submittedAt: isoTime(submittedAt),
    ...(startedAt !== undefined && { startedAt: isoTime(startedAt) }),
    ...(endedAt !== undefined && { endedAt: isoTime(endedAt) }),
    steps,
    iterations,
    tags: tagsOf(record),
    ...(lastMetaStep && { lastMetaStep }),
    ...(evaluation && { lastEvaluation: { step: evaluation.step, measures: atLastPoint(evaluation.measures) } }),
    ...(error && { error }),
    ...(waiting && { waiting }),
    mayControl: caller.roles.has('admin') || (caller.roles.has('submit') && mayControl(caller, record)),
  };
}

export function jobDetail(record: JobRecord, caller: Caller, waiting: Waiting | undefined): JobDetail {
  const spec = JSON.parse(record.spec) as JobSpec;
  return {
    ...jobRow(record, caller, waiting),
    spec,
    specYaml: yamlText(spec),
    words: record.words,
    ...(record.publishedWords && { publishedWords: record.publishedWords }),
    paramsSha256: record.paramsSha256,
    overrides: record.overrides ?? [],
    evaluations: record.evaluations,
    ...(record.verdict && { verdict: record.verdict }),
    checkpoints: askedFor(record).map(checkpointInfo),
    engineFingerprint: record.engineFingerprint ?? '',
    mixedFingerprints: record.hasMixedFingerprints,
    data: record.data ?? [],
    plugins: record.plugins ?? [],
    skippedTasks: record.skippedTasks,
  };
}

export const jobEventJson = ({ sequence, at, body }: JobEventRecord): JobEvent => ({
  sequence,
  time: isoTime(at),
  ...bodyJson(body),
});

const bodyJson = (body: JobEventBody) =>
  body.kind === 'checkpointWritten' ? { ...body, checkpoint: checkpointInfo(body.checkpoint) } : body;

const checkpointInfo = ({ step, sha256, bytes, paramsSha256 }: CheckpointRecord): CheckpointInfo => ({
  step,
  sha256,
  bytes,
  paramsSha256,
});

/** @param limit most rows. */
export function workerList(views: readonly WorkerView[], at: number, limit = Number.POSITIVE_INFINITY): WorkerList {
  return { at: isoTime(at), workers: views.slice(0, limit).map(workerRow), total: views.length };
}

function workerRow({
  link,
  worker,
  shardsCompleted,
  resultsRejected,
  data,
  lastSeenAt,
  idleReason,
}: WorkerView): WorkerRow {
  const { workerId, address, engine, device, fingerprint, slots, connectedAt, version } = link;
  return {
    workerId,
    state: workerState(worker),
    address,
    engine,
    device,
    engineFingerprint: fingerprint,
    slots,
    leases: worker.leases.size,
    shardsCompleted,
    resultsRejected,
    data,
    plugins: link.plugins,
    connectedAt: isoTime(connectedAt),
    lastHeartbeatAt: isoTime(lastSeenAt),
    idleReason,
    version,
  };
}

const isoTime = (ms: number): string => new Date(ms).toISOString();
