// The words that the session, the pool and the compute threads share: what a shard asks for, what comes back, and why it failed.
// Everything here survives a structured clone, since it crosses threads.
import type { SpanEnd, SpanStart } from '../../learning/outer-loop/span.ts';
import type { DataIdentity } from '../../shared/data-identity.ts';
import { asMetatrainError, type ErrorCode } from '../../shared/errors.ts';
import type {
  EvaluateShard,
  EvaluateShardResult,
  InitialParams,
  TrainShard,
  TrainShardResult,
} from '../learning/job-program.ts';
import type {
  AdaptedState,
  AdaptRequest,
  Encoded,
  EncodeRequest,
  Predictions,
  PredictRequest,
} from '../learning/learner-program.ts';

export type ShardWork =
  | { readonly kind: 'initialize' }
  | { readonly kind: 'train'; readonly paramsVersion: number; readonly shard: TrainShard }
  | { readonly kind: 'span'; readonly paramsVersion: number; readonly span: SpanOrder }
  | { readonly kind: 'evaluate'; readonly paramsVersion: number; readonly shard: EvaluateShard }
  | RequestWork;

/** What a span asks for besides θ, whose version is its first meta-step. */
export interface SpanOrder extends Pick<SpanStart, 'optimizer' | 'maxSteps' | 'factors'> {
  /** The span ends with the meta-step that it is at after so long. */
  readonly budgetMs: number;
  /** Threads that share each meta-step's shards. */
  readonly threads: number;
}

/** What a request asks of a learner, whose θ is of version 0 and stays. */
export type RequestWork =
  | { readonly kind: 'adapt'; readonly paramsVersion: 0; readonly request: AdaptRequest }
  | { readonly kind: 'predict'; readonly paramsVersion: 0; readonly request: PredictRequest }
  | { readonly kind: 'encode'; readonly paramsVersion: 0; readonly request: EncodeRequest };

/** What the agent hears of a shard before its outcome. */
export interface StartProgress {
  readonly leaseId: string;
  /** It waits for a thread, or for its program to be opened and compiled. */
  readonly isStarting: boolean;
  /** The program had been open here and was closed to make room for another job's. */
  readonly isReopening: boolean;
}

/**
 * `payloadSha256`: 32 bytes, over the output's payload, float32 where nothing else is said; hashed
 * in the thread so that the agent never has to.
 */
export type ShardOutput =
  | { readonly kind: 'initialize'; readonly initial: InitialParams; readonly payloadSha256: Uint8Array }
  | {
      readonly kind: 'train';
      /** Without the sum, which is the payload. */
      readonly result: Omit<TrainShardResult, 'metaGradientSum'>;
      /** The sum in the job's format. */
      readonly payload: Uint8Array;
      readonly payloadSha256: Uint8Array;
      readonly carrySha256?: Uint8Array;
    }
  | { readonly kind: 'span'; readonly end: SpanEnd; readonly payloadSha256: Uint8Array }
  | { readonly kind: 'evaluate'; readonly result: EvaluateShardResult }
  | { readonly kind: 'adapt'; readonly adapted: AdaptedState; readonly payloadSha256: Uint8Array }
  | { readonly kind: 'predict'; readonly predictions: Predictions; readonly payloadSha256: Uint8Array }
  | { readonly kind: 'encode'; readonly encoded: Encoded; readonly payloadSha256: Uint8Array };

export interface ShardFailureReason {
  readonly code: ErrorCode;
  readonly message: string;
  /** True when every worker would fail alike. */
  readonly permanent: boolean;
}

export type ShardOutcome =
  | {
      readonly kind: 'finished';
      readonly leaseId: string;
      readonly output: ShardOutput;
      /** What the tasks were drawn from. */
      readonly data: readonly DataIdentity[];
      readonly computeMs: number;
      /** Of `computeMs`, what the engine's runs took. */
      readonly engineMs: number;
    }
  | { readonly kind: 'failed'; readonly leaseId: string; readonly failure: ShardFailureReason };

/**
 * What was thrown as a failure. Only an invalid request, and a request whose result is not finite, are permanent: these follow from the
 * spec and the request alone. A data set that is missing or corrupt, or memory that runs out, is this machine's trouble, and another
 * worker may do better.
 */
export function failureOf(thrown: unknown): ShardFailureReason {
  const { code, message } = asMetatrainError(thrown);
  return { code, message, permanent: code === 'REQUEST_INVALID' || code === 'RESULT_NOT_FINITE' };
}
