// A request as the coordinator holds it: the learner that it is for, the arrays that it brings, and the
// answer that it wants. Checked here, before anything is queued.
import type { NamedArrays } from '../../learning/built.ts';
import type { ResolvedJob } from '../../learning/job.ts';
import { checkPoint, checkStateLayout, inputsShape, invalid, supportShapes } from '../../learning/request-inputs.ts';
import { bytesOfVector, type ParamsLayout, sha256 } from '../../shared/tensor-codec.ts';

/** A job file and its θ, which requests adapt and predict with. Made once for many requests. */
export interface Learner {
  readonly learnerId: string;
  readonly job: ResolvedJob;
  /** The job file as JSON with every default. */
  readonly spec: string;
  readonly metaParams: Float32Array;
  readonly paramsSha256: Buffer;
}

export interface AdaptedState {
  readonly layout: ParamsLayout;
  /** Flat in layout order. */
  readonly state: Float32Array;
}

export interface Predictions {
  /** [examples, outputs] */
  readonly shape: readonly number[];
  /** Row-major; values, or logits. */
  readonly outputs: Float32Array;
}

/** What a request brings. The arrays are the caller's, and must not change before the answer. */
export type RequestInput =
  | { readonly work: 'adapt'; readonly point: number; readonly layout: ParamsLayout; readonly support: Float32Array }
  | { readonly work: 'predict'; readonly adapted: AdaptedState; readonly inputs: Float32Array };

export type Answer = ({ readonly work: 'adapt' } & AdaptedState) | ({ readonly work: 'predict' } & Predictions);

/**
 * @param metaParams θ of the job file's model, flat in layout order; the learner's from here on.
 * @throws MetatrainError `REQUEST_INVALID`
 */
export function createLearner(job: ResolvedJob, metaParams: Float32Array): Learner {
  const { length } = metaParams;
  if (length !== job.parameterCount) {
    throw invalid('params', `${length} numbers`, `${job.parameterCount}, which the model of the job file has`);
  }
  if (!metaParams.every(Number.isFinite)) throw invalid('params', 'a NaN or an infinity', 'finite numbers');
  const spec = JSON.stringify(job.spec);
  const paramsSha256 = sha256(bytesOfVector(metaParams));
  const learnerId = `learner-${sha256(Buffer.concat([paramsSha256, Buffer.from(spec)])).toString('hex')}`;
  return { learnerId, job, spec, metaParams, paramsSha256 };
}

/**
 * @param support the task's tensors but its query set, by name, row-major.
 * @param point which of the states on the way; default the axis's last.
 * @throws MetatrainError `REQUEST_INVALID`
 */
export function adaptInput({ job }: Learner, support: NamedArrays, point?: number): RequestInput {
  const { points } = job.measures.evaluate[0]!;
  const wanted = point ?? points.length - 1;
  checkPoint(wanted, points);
  const tensors = Object.entries(supportShapes(job.task, support)).map(([name, shape]) => ({ name, shape }));
  const vector = new Float32Array(tensors.reduce((sum, { name }) => sum + support[name]!.length, 0));
  let offset = 0;
  for (const { name } of tensors) {
    mustBeFinite(`support.${name}`, support[name]!);
    vector.set(support[name]!, offset);
    offset += support[name]!.length;
  }
  return { work: 'adapt', point: wanted, layout: { tensors }, support: vector };
}

/** @throws MetatrainError `REQUEST_INVALID` */
export function predictInput({ job }: Learner, adapted: AdaptedState, inputs: Float32Array): RequestInput {
  checkStateLayout(adapted.layout, adapted.state.length);
  inputsShape(job.task, inputs);
  mustBeFinite('state', adapted.state);
  mustBeFinite('inputs', inputs);
  return { work: 'predict', adapted, inputs };
}

function mustBeFinite(field: string, values: Float32Array): void {
  if (!values.every(Number.isFinite)) throw invalid(field, 'a NaN or an infinity', 'finite numbers');
}
