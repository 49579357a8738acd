// A request as the coordinator holds it: the learner that it is for, the arrays that it brings, and the
// answer that it wants. Checked here, before anything is queued.
import type { NamedArrays } from '../../learning/built.ts';
import type { ResolvedJob } from '../../learning/job.ts';
import {
  checkPoint,
  checkStateLayout,
  inputsShape,
  invalid,
  maxRequestExamples,
  supportShapes,
} from '../../learning/request-inputs.ts';
import type { InputForm } from '../../learning/tasks.ts';
import { type DataIdentity, describeData } from '../../shared/data-identity.ts';
import { formatBytes } from '../../shared/numbers.ts';
import { bytesOfVector, type ParamsLayout, sha256 } from '../../shared/tensor-codec.ts';

/** A job file and its θ, which requests adapt and predict with. Made once for many requests. */
export interface Learner {
  readonly learnerId: string;
  readonly job: ResolvedJob;
  /** The job file as JSON with every default. */
  readonly spec: string;
  readonly metaParams: Float32Array;
  readonly paramsSha256: Buffer;
  /** What θ was trained with; empty where that is not known. */
  readonly data: readonly DataIdentity[];
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

export interface Encoded {
  /** [items, …input] */
  readonly shape: readonly number[];
  /** Row-major. */
  readonly values: Float32Array;
}

/** What a request brings. The arrays are the caller's, and must not change before the answer. */
export type RequestInput =
  | { readonly work: 'adapt'; readonly point: number; readonly layout: ParamsLayout; readonly support: Float32Array }
  | { readonly work: 'predict'; readonly adapted: AdaptedState; readonly inputs: Float32Array }
  | { readonly work: 'encode'; readonly form: InputForm; readonly items: readonly Uint8Array[] };

export type Answer =
  | ({ readonly work: 'adapt' } & AdaptedState)
  | ({ readonly work: 'predict' } & Predictions)
  | ({ readonly work: 'encode' } & Encoded);

/** What one request may bring to be encoded. */
const maxItemsBytes = 128 * 2 ** 20;

/**
 * @param metaParams θ of the job file's model, flat in layout order; the learner's from here on.
 * @param data what θ was trained with. Default: that is not known.
 * @throws MetatrainError `REQUEST_INVALID`
 */
export function createLearner(job: ResolvedJob, metaParams: Float32Array, data: readonly DataIdentity[] = []): Learner {
  const { length } = metaParams;
  if (length !== job.parameterCount) {
    throw invalid('params', `${length} numbers`, `${job.parameterCount}, which the model of the job file has`);
  }
  if (!metaParams.every(Number.isFinite)) throw invalid('params', 'a NaN or an infinity', 'finite numbers');
  const spec = JSON.stringify(job.spec);
  const paramsSha256 = sha256(bytesOfVector(metaParams));
  const learnerId = `learner-${sha256(Buffer.concat([paramsSha256, Buffer.from(spec + describeData(data))])).toString('hex')}`;
  return { learnerId, job, spec, metaParams, paramsSha256, data };
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

/**
 * @param items PNG or JPEG files, or sentences in UTF-8.
 * @throws MetatrainError `REQUEST_INVALID` naming the item.
 */
export function encodeInput({ job }: Learner, form: InputForm, items: readonly Uint8Array[]): RequestInput {
  const accepted = formsOf(job);
  if (!accepted.includes(form)) throw invalid('inputs', `${form}s`, accepted.map((one) => `${one}s`).join(' or '));
  const { length } = items;
  if (length === 0 || length > maxRequestExamples)
    throw invalid('inputs', `${length} ${form}s`, `1 to ${maxRequestExamples}`);
  for (const [at, { byteLength }] of items.entries())
    if (byteLength === 0) throw invalid(`inputs[${at}]`, 'nothing', `${form === 'image' ? 'an' : 'a'} ${form}`);
  const bytes = items.reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (bytes > maxItemsBytes)
    throw invalid('inputs', formatBytes(bytes), `at most ${formatBytes(maxItemsBytes)} in a request`);
  return { work: 'encode', form, items };
}

/** How inputs of the job's model may come. */
export function formsOf({ task, trained }: ResolvedJob): readonly ('number' | InputForm)[] {
  if (!trained.distribution.encoder) return ['number'];
  return task.inputKind === 'tokens' ? ['text', 'number'] : ['image', 'number'];
}

function mustBeFinite(field: string, values: Float32Array): void {
  if (!values.every(Number.isFinite)) throw invalid(field, 'a NaN or an infinity', 'finite numbers');
}
