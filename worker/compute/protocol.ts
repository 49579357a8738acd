// The messages between the agent and one compute thread. The agent gives a thread one shard at a time; the thread answers each
// `runShard` exactly once.

import type { LoadedPlugin } from '../../learning/load.ts';
import { type DataIdentity, describeData } from '../../shared/data-identity.ts';
import type { EngineOptions } from '../engine/create.ts';
import type { CompileReport } from '../engine/engine.ts';
import type { ShardFailureReason, ShardOutcome, ShardWork } from './shard.ts';
import type { CrewMemory } from './span.ts';

/**
 * What a worker is told of a job before its first lease, or of a learner before the first lease of
 * a request that names it.
 */
export interface Opening {
  readonly kind: 'job' | 'learner';
  /** The spec as JSON. */
  readonly spec: string;
  /** What the job keeps to, or what the learner's θ was trained with; empty while that is not known. */
  readonly expectedData: readonly DataIdentity[];
}

export const isSameOpening = (a: Opening, b: Opening): boolean =>
  a.kind === b.kind && a.spec === b.spec && describeData(a.expectedData) === describeData(b.expectedData);

/** `jobId`: the id of a job, or of a learner, under which its programs are open. */
export type ToThread =
  | { readonly kind: 'openJob'; readonly jobId: string; readonly opening: Opening }
  | { readonly kind: 'closeJob'; readonly jobId: string }
  | {
      readonly kind: 'runShard';
      readonly leaseId: string;
      readonly jobId: string;
      readonly work: ShardWork;
      /** θ of the work's version, float32. The agent leaves it as it is until the thread has answered. */
      readonly params?: SharedArrayBuffer;
      /** Of a span: one word, not 0 when it is to end. */
      readonly stop?: SharedArrayBuffer;
    }
  /** Compute shards of another thread's span until it is over; answered by `helped`. */
  | { readonly kind: 'helpSpan'; readonly jobId: string; readonly crew: CrewMemory }
  /** Free everything and exit. */
  | { readonly kind: 'stop' };

export type FromThread =
  | { readonly kind: 'ready'; readonly fingerprint: string }
  /** The thread cannot work on this machine (no engine, for one) and is about to exit. */
  | { readonly kind: 'unable'; readonly failure: ShardFailureReason }
  /** A program of the job was traced and has a session now. */
  | { readonly kind: 'compiled'; readonly jobId: string; readonly report: CompileReport }
  /** The shard's program is being opened or compiled: the thread answers nobody until it is `computing`. */
  | { readonly kind: 'compiling'; readonly leaseId: string }
  | { readonly kind: 'computing'; readonly leaseId: string }
  | { readonly kind: 'opened'; readonly jobId: string }
  /** The job's program was closed to make room for another; its next shard opens it again. */
  | { readonly kind: 'evicted'; readonly jobId: string }
  /** Other threads may help with the span that this one leads. */
  | { readonly kind: 'crew'; readonly leaseId: string; readonly crew: CrewMemory }
  | { readonly kind: 'helped' }
  /** What the thread's open programs take, by prediction; told when it changes. */
  | { readonly kind: 'memory'; readonly predictedBytes: number }
  | ShardOutcome;

export interface ThreadData {
  /** Where data sets are looked for, first match wins. */
  readonly dataDirectories: readonly string[];
  /** Those that the worker has loaded; a thread refuses to start with other bytes. Default: none. */
  readonly plugins?: readonly LoadedPlugin[];
  /** What the worker offers, and so what every thread computes with. Default: compiled, on the cpu. */
  readonly engine?: EngineOptions;
  /** What the thread's sessions may take together, by prediction; default no limit. */
  readonly memoryLimitBytes?: number;
}
