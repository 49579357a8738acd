// Trained models in use, as the library has them: `client.models`. Checks nothing that the
// coordinator checks.
import type { CallOptions, ClientUnaryCall, requestCallback } from '@grpc/grpc-js';
import type { AdaptedModel__Output } from '../shared/gen/metatrain/v1/AdaptedModel.ts';
import type { AdaptResponse__Output } from '../shared/gen/metatrain/v1/AdaptResponse.ts';
import type { Inputs as InputsMessage } from '../shared/gen/metatrain/v1/Inputs.ts';
import type { ListAdaptedResponse__Output } from '../shared/gen/metatrain/v1/ListAdaptedResponse.ts';
import type { PredictResponse__Output } from '../shared/gen/metatrain/v1/PredictResponse.ts';
import type { SupportSet as SupportSetMessage } from '../shared/gen/metatrain/v1/SupportSet.ts';
import { vectorOfBytes } from '../shared/tensor-codec.ts';
import type { ModelService } from '../shared/wire.ts';
import { dateFromWire } from './records.ts';

/** Inputs of a model, in one of three forms. */
export type ModelInputs =
  /** Row-major, one input after another. */
  | { readonly numbers: ArrayLike<number> }
  /** PNG or JPEG files. */
  | { readonly images: readonly Uint8Array[] }
  | { readonly texts: readonly string[] };

/** The examples of one task; of a zero-shot task a description for each class. */
export interface SupportSet {
  readonly inputs: ModelInputs;
  /** Of a regression: row-major, one target after another. */
  readonly targets?: ArrayLike<number>;
  /** Of a classification: the class of each input. */
  readonly labels?: readonly string[];
}

export interface ModelOptions {
  /** Ends the call; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** The checkpoint's meta-step. Default: the newest. */
  readonly step?: number;
  /** Default: as many as the job's evaluations take. */
  readonly innerSteps?: number;
  /** How long the answer is waited for. Default 60,000 ms. */
  readonly deadlineMs?: number;
}

export interface AdaptOptions extends ModelOptions {
  /** How long the adapted models are kept, at most 86,400. Default 900. */
  readonly keepSeconds?: number;
  /** Return the adapted parameters, and keep nothing. Default: keep. */
  readonly returnState?: boolean;
}

export interface AdaptedModel {
  /** Undefined where it is not kept. */
  readonly adaptedId: string | undefined;
  readonly jobId: string;
  /** The checkpoint's meta-step. */
  readonly step: number;
  /** Of the evaluation's axis, such as the number of inner steps. */
  readonly point: string;
  /** In the order of the outputs; empty for a regression. */
  readonly classes: readonly string[];
  readonly examples: number;
  readonly bytes: number;
  readonly adaptedAt: Date | undefined;
  readonly expiresAt: Date | undefined;
  /** Only where it was asked for: tensors by name. */
  readonly state:
    | Readonly<Record<string, { readonly shape: readonly number[]; readonly values: Float32Array }>>
    | undefined;
}

export interface Predictions {
  /** One a query. */
  readonly predictions: readonly {
    /** Values; of a classification: logits. */
    readonly outputs: readonly number[];
    /** Undefined for a regression. */
    readonly className: string | undefined;
    /** In the order of `classes`; empty for a regression. */
    readonly probabilities: readonly number[];
  }[];
  readonly classes: readonly string[];
  readonly jobId: string;
  readonly step: number;
}

type Service = InstanceType<typeof ModelService>;
type Start<Response> = (service: Service, options: CallOptions, done: requestCallback<Response>) => ClientUnaryCall;
type CallUnary = <Response>(
  start: Start<Response>,
  options: Pick<ModelOptions, 'signal' | 'deadlineMs'>,
) => Promise<Response>;

const usualDeadlineMs = 60_000;

export class ModelCalls {
  readonly #unary: CallUnary;

  constructor(unary: CallUnary) {
    this.#unary = unary;
  }

  /**
   * Adapts the job's parameters to each support set.
   *
   * @throws MetatrainError `REQUEST_INVALID` naming the field, `JOB_UNKNOWN`, `CHECKPOINT_UNKNOWN`,
   *   `QUEUE_FULL`, `DEADLINE_EXCEEDED`.
   */
  async adapt(jobId: string, support: readonly SupportSet[], options: AdaptOptions = {}): Promise<AdaptedModel[]> {
    const { keepSeconds = 0, returnState = false } = options;
    const request = { jobId, ...choice(options), support: support.map(supportMessage), keepSeconds, returnState };
    const { models } = await this.#call<AdaptResponse__Output>(
      (service, call, done) => service.adapt(request, call, done),
      options,
    );
    return models.map(adaptedModel);
  }

  /**
   * @param from an adapted model's id, or a job with a support set for this call alone.
   * @throws MetatrainError as `adapt`; `ADAPTED_UNKNOWN`.
   */
  async predict(
    from: string | { readonly jobId: string; readonly support: SupportSet },
    queries: ModelInputs,
    options: ModelOptions = {},
  ): Promise<Predictions> {
    const model =
      typeof from === 'string'
        ? { adaptedId: from }
        : { jobId: from.jobId, ...choice(options), support: supportMessage(from.support) };
    const request = { ...model, queries: inputsMessage(queries) };
    const { predictions, ...rest } = await this.#call<PredictResponse__Output>(
      (service, call, done) => service.predict(request, call, done),
      options,
    );
    return {
      ...rest,
      predictions: predictions.map(({ outputs, className, probabilities }) => ({
        outputs,
        className: className === '' ? undefined : className,
        probabilities,
      })),
    };
  }

  /** Those that are kept, the newest first. */
  async list(options: Pick<ModelOptions, 'signal' | 'deadlineMs'> = {}): Promise<AdaptedModel[]> {
    const { models } = await this.#call<ListAdaptedResponse__Output>(
      (service, call, done) => service.listAdapted({}, call, done),
      options,
    );
    return models.map(adaptedModel);
  }

  /**
   * With its state, where that has at most 3 MiB. @throws MetatrainError `ADAPTED_UNKNOWN`,
   * `REQUEST_INVALID`
   */
  async get(adaptedId: string, options: Pick<ModelOptions, 'signal' | 'deadlineMs'> = {}): Promise<AdaptedModel> {
    return adaptedModel(
      await this.#call<AdaptedModel__Output>(
        (service, call, done) => service.getAdapted({ adaptedId }, call, done),
        options,
      ),
    );
  }

  /** @throws MetatrainError `ADAPTED_UNKNOWN` */
  async drop(adaptedId: string, options: Pick<ModelOptions, 'signal' | 'deadlineMs'> = {}): Promise<void> {
    await this.#call((service, call, done) => service.dropAdapted({ adaptedId }, call, done), options);
  }

  #call<Response>(start: Start<Response>, options: Pick<ModelOptions, 'signal' | 'deadlineMs'>) {
    return this.#unary<Response>(start, { deadlineMs: usualDeadlineMs, ...options });
  }
}

const choice = ({ step, innerSteps }: ModelOptions) => ({
  ...(step !== undefined && { step }),
  ...(innerSteps !== undefined && { innerSteps }),
});

const supportMessage = ({ inputs, targets = [], labels = [] }: SupportSet): SupportSetMessage => ({
  inputs: inputsMessage(inputs),
  targets: Array.from(targets),
  labels: [...labels],
});

function inputsMessage(inputs: ModelInputs): InputsMessage {
  if ('numbers' in inputs) return { numbers: { values: Array.from(inputs.numbers) } };
  if ('images' in inputs) return { images: { files: inputs.images.map((file) => Buffer.from(file)) } };
  return { texts: { texts: [...inputs.texts] } };
}

function adaptedModel({ adaptedId, adaptedAt, expiresAt, state, ...rest }: AdaptedModel__Output): AdaptedModel {
  return {
    adaptedId: adaptedId === '' ? undefined : adaptedId,
    ...rest,
    adaptedAt: dateFromWire(adaptedAt),
    expiresAt: dateFromWire(expiresAt),
    state: state ? tensorsOf(state) : undefined,
  };
}

function tensorsOf({ layout, data }: NonNullable<AdaptedModel__Output['state']>) {
  const vector = vectorOfBytes(data, data.byteLength / Float32Array.BYTES_PER_ELEMENT);
  let end = 0;
  return Object.fromEntries(
    (layout?.tensors ?? []).map(({ name, shape }) => {
      const begin = end;
      end += shape.reduce((product, size) => product * size, 1);
      return [name, { shape, values: vector.subarray(begin, end) }] as const;
    }),
  );
}
