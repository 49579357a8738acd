// One worker's stream as the runner sees it: orders go in, nothing comes back but events to the runner. The services implement it.

import type { Carried, MetaParams } from '../../learning/outer-loop/training.ts';
import type { DataIdentity } from '../../shared/data-identity.ts';
import type { MetatrainError } from '../../shared/errors.ts';
import type { PluginIdentity } from '../../shared/plugin-identity.ts';
import type { ParamsLayout } from '../../shared/tensor-codec.ts';
import type { Lease, RequestLease } from '../core/state.ts';
import type { Learner, RequestInput } from '../requests/request.ts';

export interface LeaseOrder {
  readonly lease: Lease;
  /** The numbers of its tasks, where they do not follow each other. */
  readonly tasks?: readonly number[] | undefined;
  readonly deadlineMs: number;
  /** The job file as JSON with every default. */
  readonly spec: string;
  /** What the job keeps to; empty before its first result, and where its tasks need no data. */
  readonly data: readonly DataIdentity[];
  /** `validation` or `test`: where an evaluation's tasks come from. */
  readonly evaluationSplit: string;
  /** Both undefined before θ₀. The link sends θ once per version, and the layout once. */
  readonly layout: ParamsLayout | undefined;
  readonly metaParams: MetaParams | undefined;
  /** What the shard starts from besides θ; sent with the lease. */
  readonly carried?: Carried | undefined;
  /** What a span needs besides; sent with the lease. */
  readonly span?: SpanTerms | undefined;
}

export interface SpanTerms {
  readonly budgetMs: number;
  /** The meta-optimizer's state; undefined where it has none. */
  readonly optimizer: Carried | undefined;
  /** See `SpanStart`. */
  readonly factors: readonly number[];
}

export interface RequestOrder {
  readonly lease: RequestLease;
  readonly deadlineMs: number;
  /** The link sends it once, until it has sent many others. */
  readonly learner: Learner;
  readonly input: RequestInput;
}

/** As the worker reports it; an empty text and zero bytes mean unknown. */
export interface WorkerDevice {
  /** `cpu`, `webgpu` or `cuda`. */
  readonly kind: string;
  readonly name: string;
  readonly memoryBytes: number;
  readonly driver: string;
}

export interface WorkerLink {
  readonly workerId: string;
  /** Unique per coordinator start, growing. */
  readonly connection: number;
  /** `compiled` or `eager`. */
  readonly engine: string;
  readonly device: WorkerDevice;
  readonly fingerprint: string;
  readonly plugins: readonly PluginIdentity[];
  readonly slots: number;
  /** Takes leases of spans. */
  readonly computesSpans: boolean;
  readonly version: string;
  readonly address: string;
  readonly connectedAt: number;
  /** @returns bytes of θ and of what the shard carries that go with it. */
  sendLease(order: LeaseOrder): number;
  sendRequest(order: RequestOrder): void;
  cancelLease(leaseId: string, reason: string): void;
  stopSpan(leaseId: string): void;
  /** The job has ended: the worker may forget it. */
  closeJob(jobId: string): void;
  /** Ends the stream with the error's status. May be called twice. */
  close(error: MetatrainError): void;
  /** Orders are written out when this is called, in one go. */
  flush(): void;
}
