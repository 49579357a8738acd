// One event of every kind, made from records as the coordinator makes them, with every optional
// field.

import { workerEvents } from '../../coordinator/observers/worker-events.ts';
import { jobEvent, type LoggedEvent } from '../../coordinator/store/cluster-events.ts';
import type { JobEventBody, JobRecord } from '../../coordinator/store/job-record.ts';
import type { WorkerLink } from '../../coordinator/workers/worker-link.ts';
import type { EventName } from '../../shared/cluster-event.ts';
import { noWords } from '../../shared/protocol.ts';
import { accuracyMeasure, lossMeasure, trainValues } from './measures.ts';

const at = 1_800_000_000_123;
const estimate = { mean: 0.5, halfWidth95: 0.01 };

const checkpoint = (step: number, purpose: 'scheduled' | 'recovery') => ({
  step,
  sha256: 'ab'.repeat(32),
  bytes: 1_234,
  paramsSha256: 'cd'.repeat(32),
  purpose,
});

const evaluation = {
  step: 10,
  protocol: {
    distribution: 'omniglot',
    split: 'test',
    tasks: 600,
    ways: 5,
    shots: 1,
    queries: 15,
    transductive: true,
    splitDescription: 'alphabets',
  },
  measures: [lossMeasure([estimate, estimate], 'loss'), accuracyMeasure([estimate, estimate])],
  divergedTasks: 0,
};

export const sampleRecord: JobRecord = {
  jobId: '0123456789abcdef',
  order: 1,
  name: 'a-job',
  spec: '{"name":"a-job"}',
  words: noWords,
  submittedAt: at - 2_000,
  owner: 'somebody',
  state: 'failed',
  startedAt: at - 1_000,
  endedAt: at,
  steps: 12,
  iterations: 100,
  paramsSha256: 'cd'.repeat(32),
  evaluations: [evaluation],
  checkpoints: [checkpoint(5, 'scheduled'), checkpoint(10, 'scheduled'), checkpoint(12, 'recovery')],
  error: { code: 'SHARD_FAILED', message: 'it failed' },
  lastMetaStep: undefined,
  engineFingerprint: 'null/1',
  hasMixedFingerprints: false,
  skippedTasks: 0,
  splitDescription: 'alphabets',
  isTransductive: true,
};

const ofJob = (body: JobEventBody): LoggedEvent => jobEvent(sampleRecord, { sequence: 1, at, body });

const link = {
  workerId: 'host.example/worker 1',
  address: '192.0.2.1:4711',
  engine: 'compiled',
  device: { kind: 'cuda', name: 'NVIDIA H100', memoryBytes: 80 * 2 ** 30, driver: '550.54' },
  fingerprint: 'onnxruntime/1',
  slots: 4,
  version: '1.2.3',
} as WorkerLink;

function ofWorker(happen: (observer: ReturnType<typeof workerEvents>) => void): LoggedEvent {
  const told: LoggedEvent[] = [];
  happen(workerEvents((event) => told.push(event)));
  const [event, ...others] = told;
  if (!event || others.length > 0) throw new Error(`${told.length} events were told of one happening`);
  return event;
}

const { workerId } = link;
const reason = 'it was so';

/** Every kind of event: the type requires an entry for each name. */
export const sampleEvents: { readonly [Name in EventName]: LoggedEvent } = {
  'job.state_changed': ofJob({
    kind: 'stateChanged',
    state: 'failed',
    reason,
    error: { code: 'SHARD_FAILED', message: 'it failed' },
  }),
  'job.meta_steps_applied': ofJob({
    kind: 'metaStep',
    summary: {
      step: 12,
      iterations: 100,
      measures: trainValues(0.5, 0.9),
      metaGradientNorm: 1,
      taskGradientVariance: 0.5,
      taskGradientCosine: 0.9,
      tasksPerSecond: 100,
      metaStepsPerSecond: 10,
      learningRate: 0.001,
      etaSeconds: 8.8,
    },
  }),
  'job.evaluated': ofJob({ kind: 'evaluated', evaluation }),
  'job.checkpoint_written': ofJob({ kind: 'checkpointWritten', checkpoint: checkpoint(10, 'scheduled') }),
  'job.shard_retried': ofJob({ kind: 'shardRetried', metaStep: 11, shard: 2, workerId, reason }),
  'worker.connected': ofWorker((observer) => observer.workerConnected({ at, link })),
  'worker.disconnected': ofWorker((observer) => observer.workerDisconnected({ at, link, reason })),
  'worker.drain_started': ofWorker((observer) => observer.workerDraining({ at, link, reason })),
  'worker.quarantined': ofWorker((observer) =>
    observer.workerQuarantined({ at, workerId, coolDownMs: 10_000, reason }),
  ),
  'worker.let_back': ofWorker((observer) => observer.workerLetBack({ at, workerId, reason })),
};
