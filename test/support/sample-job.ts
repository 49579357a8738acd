// A finished job with its history, for tests of pages and reports. Every value is a formula, so it
// is equal on any machine.

import type { Evaluation, Job, JobEvent, MetaStepSummary } from '../../client/records.ts';
import { parseJobSpec } from '../../learning/job-file.ts';
import { sinusoidSpec } from './job-specs.ts';
import { jobWords } from './job-words.ts';
import { accuracyMeasure, lossMeasure, trainValues } from './measures.ts';

const sampleLoss = (step: number) =>
  0.3 + 4 * Math.exp(-step / 1_500) * (1 + 0.4 * Math.sin(step / 97)) + 0.05 * Math.sin(step / 41);

export const sampleSummary = (step: number, changes: Partial<MetaStepSummary> = {}): MetaStepSummary => ({
  step,
  iterations: 20_000,
  measures: trainValues(sampleLoss(step)),
  metaGradientNorm: 0.5 + 20 * Math.exp(-step / 3_000),
  tasksPerSecond: 20_000 + 2_000 * Math.sin(step / 700),
  metaStepsPerSecond: 800,
  learningRate: 0.001,
  etaSeconds: 12,
  ...changes,
});

export function sampleEvaluation(step: number, means: readonly number[], accuracies?: readonly number[]): Evaluation {
  return {
    step,
    protocol: {
      distribution: 'sinusoid',
      split: 'test',
      tasks: 600,
      ways: 0,
      shots: 5,
      queries: 5,
      transductive: false,
      splitDescription: 'sine waves',
    },
    measures: [
      lossMeasure(means.map((mean) => ({ mean, halfWidth95: 0.1 * mean }))),
      ...(accuracies ? [accuracyMeasure(accuracies.map((mean) => ({ mean, halfWidth95: 0.02 })))] : []),
    ],
    divergedTasks: 0,
  };
}

export const samplePublished = {
  source: 'A paper, §1',
  measure: 'loss',
  at: { 1: { mean: 0.67 }, 5: { mean: 0.38, halfWidth95: 0.1 } },
  protocol: {
    task: { distribution: 'sinusoid', shots: 5, queries: 5 },
    meta: { iterations: 100 },
    evaluation: { tasks: 600 },
    transductive: false,
  },
  differences: ['fewer meta-steps'],
} as const;

export function sampleJob(changes: Partial<Job> = {}): Job {
  const spec = changes.spec ?? parseJobSpec(sinusoidSpec('waves', { published: samplePublished }));
  return {
    jobId: '0123456789abcdef',
    name: 'waves',
    state: 'SUCCEEDED',
    spec,
    ...jobWords(spec),
    submittedAt: new Date('2026-11-24T04:18:30Z'),
    startedAt: new Date('2026-11-24T04:18:36Z'),
    endedAt: new Date('2026-11-24T04:19:36Z'),
    steps: 20_000,
    iterations: 20_000,
    paramsSha256: 'ab'.repeat(32),
    overrides: [],
    evaluations: [
      sampleEvaluation(10_000, [3.4, 0.8, 0.6, 0.55, 0.5, 0.46]),
      sampleEvaluation(20_000, [3.2, 0.66, 0.5, 0.45, 0.4, 0.36]),
    ],
    checkpoints: [{ step: 20_000, bytes: 8_204, sha256: 'cd'.repeat(32), paramsSha256: 'ab'.repeat(32) }],
    lastMetaStep: sampleSummary(20_000),
    engineFingerprint: 'engine-1',
    mixedFingerprints: false,
    data: [],
    plugins: [],
    skippedTasks: 0,
    ...changes,
  };
}

const head = (sequence: number) => ({
  sequence,
  time: new Date(Date.UTC(2026, 10, 24, 4, 18, 30 + sequence)),
  jobId: '0123456789abcdef',
});

export const sampleEvents = (): readonly JobEvent[] => [
  { ...head(1), kind: 'stateChanged', state: 'QUEUED', reason: 'submitted' },
  { ...head(2), kind: 'stateChanged', state: 'RUNNING', reason: 'its first shard was leased' },
  ...Array.from({ length: 200 }, (_, i) => ({
    ...head(3 + i),
    kind: 'metaStep' as const,
    summary: sampleSummary((i + 1) * 100),
  })),
  { ...head(203), kind: 'shardRetried', retried: { metaStep: 12, shard: 3, workerId: 'w-1', reason: 'no heartbeat' } },
  { ...head(204), kind: 'evaluated', evaluation: sampleEvaluation(20_000, [3.2, 0.66, 0.5, 0.45, 0.4, 0.36]) },
  { ...head(205), kind: 'checkpointWritten', checkpoint: sampleJob().checkpoints[0]! },
  { ...head(206), kind: 'stateChanged', state: 'SUCCEEDED', reason: 'all 20000 meta-steps are applied' },
];
