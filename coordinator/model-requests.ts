// What clients ask of trained models, whichever way they come: a job's parameters adapted to
// support sets, and predictions. The gRPC service and the HTTP API ask here. Everything that can be
// refused is refused before a worker hears of it.
import type { ResolvedJob } from '../learning/job.ts';
import { readJob } from '../learning/job-file.ts';
import { innerStepAxis } from '../learning/kit/insight.ts';
import type { Registry } from '../learning/registry.ts';
import type { Clock } from '../shared/clock.ts';
import { MetatrainError } from '../shared/errors.ts';
import type { JobTask } from '../shared/http-api.ts';
import { formatBytes } from '../shared/numbers.ts';
import type { Caller } from './access/authentication.ts';
import type { JobRequests } from './job-requests.ts';
import type { JobBook } from './jobs/job-book.ts';
import { refuseOtherPlugins } from './jobs/job-plugins.ts';
import {
  type AdaptedFacts,
  type AdaptedLimits,
  type AdaptedModel,
  AdaptedModels,
  bytesOf,
} from './models/adapted-models.ts';
import {
  checkInputs,
  checkSupport,
  invalid,
  type ModelInputs,
  type Prediction,
  predictionsOf,
  type SupportSet,
} from './models/support-set.ts';
import { createLearner, formsOf, type Learner } from './requests/request.ts';
import type { RequestOptions } from './runner/request-effects.ts';
import type { Runner } from './runner/runner.ts';
import type { CheckpointStore } from './store/checkpoint-store.ts';
import type { JobRecord } from './store/job-record.ts';

/** Which parameters, adapted how far. */
export interface ModelChoice {
  readonly jobId: string;
  /** Undefined: the newest checkpoint. */
  readonly step: number | undefined;
  /** Undefined: as the job's evaluations. */
  readonly innerSteps: number | undefined;
}

export interface AdaptCall extends ModelChoice {
  readonly support: readonly SupportSet[];
  /** 0: the default. */
  readonly keepSeconds: number;
  /** The adapted models are returned, and not kept. */
  readonly returnState: boolean;
}

/** Either by an adapted model's id, or of a job and a support set for this call alone. */
export interface PredictCall extends Omit<ModelChoice, 'jobId'> {
  readonly queries: ModelInputs;
  readonly adaptedId: string | undefined;
  readonly jobId: string | undefined;
  readonly support: SupportSet | undefined;
}

export interface Predicted {
  readonly predictions: readonly Prediction[];
  readonly classes: readonly string[];
  readonly jobId: string;
  readonly step: number;
}

export interface ModelRequestsDependencies {
  readonly runner: Pick<Runner, 'adapt' | 'predict' | 'encode'>;
  readonly jobs: Pick<JobRequests, 'checkpoint'>;
  readonly book: Pick<JobBook, 'record'>;
  readonly checkpoints: Pick<CheckpointStore, 'read'>;
  readonly registry: Registry;
  readonly clock: Clock;
}

const maxSupportSets = 64;
/** Of adapted states in one answer, which is one message. */
const maxStateBytes = 3 * 2 ** 20;
const usualKeepSeconds = 900;
const maxKeepSeconds = 86_400;
/**
 * Parameters that are read from checkpoints and kept for the next request: by number, and by bytes
 * beyond the newest.
 */
const keptLearners = { count: 16, bytes: 512 * 2 ** 20 } as const;

interface OpenedLearner {
  readonly learner: Learner;
  readonly step: number;
}

export class ModelRequests {
  readonly adapted: AdaptedModels;
  readonly #dependencies: ModelRequestsDependencies;
  /** By job and meta-step, the newest used last. */
  readonly #learners = new Map<string, Promise<OpenedLearner>>();
  #learnerBytes = 0;

  constructor(limits: AdaptedLimits, dependencies: ModelRequestsDependencies) {
    this.#dependencies = dependencies;
    this.adapted = new AdaptedModels(limits, dependencies.clock);
  }

  /** What a support set of the job looks like. @throws MetatrainError `JOB_UNKNOWN`, `PLUGIN_DIFFERS` */
  taskOf(jobId: string): JobTask {
    const job = this.#jobOf(this.#dependencies.book.record(jobId));
    const { target, input, outputs, ways, sets } = job.task;
    const [form] = formsOf(job);
    return {
      form: form!,
      target,
      input,
      outputs,
      ...(ways !== undefined && { ways }),
      isDescribed: sets.includes('description'),
    };
  }

  /**
   * @returns an adapted model for each support set, in order; those that are not kept have an empty
   *   id and no time.
   * @throws MetatrainError `REQUEST_INVALID`, `JOB_UNKNOWN`, `CHECKPOINT_UNKNOWN`, `QUEUE_FULL`,
   *   and as `Runner.adapt`.
   */
  async adapt(
    call: AdaptCall,
    caller: Caller,
    options: RequestOptions = {},
  ): Promise<(AdaptedFacts & Partial<AdaptedModel>)[]> {
    const { support, keepSeconds, returnState } = call;
    if (support.length === 0 || support.length > maxSupportSets) {
      throw invalid('support', `${support.length} support sets`, `1 to ${maxSupportSets}`);
    }
    if (keepSeconds > maxKeepSeconds) throw invalid('keep_seconds', String(keepSeconds), `at most ${maxKeepSeconds}`);
    if (!returnState) this.adapted.mustHaveRoom(support.length, caller);
    const models = await this.#adaptAll(call, support, options);
    if (returnState) {
      refuseLargeStates('return_state', models);
      return models;
    }
    return this.adapted.keep(models, 1_000 * (keepSeconds || usualKeepSeconds), caller);
  }

  /** @throws as `adapt` does, and `ADAPTED_UNKNOWN`. */
  async predict(call: PredictCall, caller: Caller, options: RequestOptions = {}): Promise<Predicted> {
    const { adaptedId, jobId, support, queries, ...choice } = call;
    if (adaptedId !== undefined && jobId === undefined && support === undefined) {
      return this.#predictWith(this.adapted.get(adaptedId, caller), queries, options);
    }
    if (adaptedId !== undefined || jobId === undefined || support === undefined) {
      const given = Object.entries({ adapted_id: adaptedId, job_id: jobId, support }).flatMap(([name, value]) =>
        value === undefined ? [] : [name],
      );
      const accepted = 'adapted_id, or job_id and support';
      throw invalid('adapted_id, job_id, support', given.join(', ') || 'none of them', accepted);
    }
    const { job } = (await this.#learner({ jobId, ...choice })).learner;
    checkInputs('queries', queries, job);
    const [model] = await this.#adaptAll({ jobId, ...choice }, [support], options);
    return this.#predictWith(model!, queries, options);
  }

  /** One that is kept, to be answered with its state. @throws MetatrainError `ADAPTED_UNKNOWN`, `REQUEST_INVALID` */
  withState(adaptedId: string, caller: Caller): AdaptedModel {
    const model = this.adapted.get(adaptedId, caller);
    refuseLargeStates('adapted_id', [model]);
    return model;
  }

  close(): void {
    this.adapted.close();
    this.#learners.clear();
  }

  async #predictWith(model: AdaptedFacts, queries: ModelInputs, options: RequestOptions): Promise<Predicted> {
    const { learner, adapted, classes, jobId, step } = model;
    checkInputs('queries', queries, learner.job);
    const inputs = await this.#numbersOf('queries', learner, queries, options);
    const outputs = await this.#dependencies.runner.predict(learner, adapted, inputs, options);
    return { predictions: predictionsOf(outputs, classes), classes, jobId, step };
  }

  /** All of them, at once; the first failure withdraws the others. */
  async #adaptAll(
    choice: ModelChoice,
    support: readonly SupportSet[],
    options: RequestOptions,
  ): Promise<AdaptedFacts[]> {
    const { jobId, innerSteps } = choice;
    const { learner, step } = await this.#learner(choice);
    const { axis, points } = learner.job.measures.evaluate[0]!;
    const point = innerSteps ?? points.length - 1;
    if (innerSteps !== undefined && axis !== innerStepAxis) {
      throw invalid('inner_steps', String(innerSteps), `nothing: this job's algorithm has no inner steps`);
    }
    if (point >= points.length) {
      throw invalid('inner_steps', String(point), `0 to ${points.length - 1}, the job file's evaluation.innerSteps`);
    }
    const checked = support.map((one, at) =>
      checkSupport(support.length > 1 ? `support[${at}]` : 'support', one, learner.job),
    );
    const failed = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, failed.signal]) : failed.signal;
    const adaptOne = async ({
      inputs,
      classes,
      examples,
      tensors,
    }: (typeof checked)[number]): Promise<AdaptedFacts> => {
      const numbers = await this.#numbersOf('support.inputs', learner, inputs, { ...options, signal });
      const adapted = await this.#dependencies.runner.adapt(learner, tensors(numbers), { ...options, signal, point });
      return { jobId, step, point: points[point]!, classes, examples, learner, adapted };
    };
    try {
      return await Promise.all(checked.map(adaptOne));
    } catch (thrown) {
      failed.abort(thrown);
      throw thrown;
    }
  }

  async #numbersOf(
    field: string,
    learner: Learner,
    inputs: ModelInputs,
    options: RequestOptions,
  ): Promise<Float32Array> {
    if (inputs.form === 'number') return inputs.values;
    try {
      return await this.#dependencies.runner.encode(learner, inputs.form, inputs.items, options);
    } catch (thrown) {
      if (!(thrown instanceof MetatrainError && thrown.code === 'REQUEST_INVALID')) throw thrown;
      throw new MetatrainError(thrown.code, thrown.message.replace(/^request: inputs/, field), {
        details: { field },
        cause: thrown,
      });
    }
  }

  async #learner({ jobId, step: wanted }: ModelChoice): Promise<OpenedLearner> {
    const checkpoint = this.#dependencies.jobs.checkpoint(jobId, wanted);
    const key = `${jobId}/${checkpoint.step}`;
    const known = this.#learners.get(key);
    this.#learners.delete(key);
    const opened = known ?? this.#read(jobId, checkpoint);
    this.#learners.set(key, opened);
    try {
      return await opened;
    } catch (thrown) {
      this.#learners.delete(key);
      throw thrown;
    }
  }

  async #read(jobId: string, checkpoint: ReturnType<JobRequests['checkpoint']>): Promise<OpenedLearner> {
    const { book, checkpoints } = this.#dependencies;
    const record = book.record(jobId);
    const job = this.#jobOf(record);
    const { metaParams } = await checkpoints.read(jobId, checkpoint);
    const learner = createLearner(job, metaParams, record.data);
    this.#learnerBytes += metaParams.byteLength;
    this.#forgetOldest();
    return { learner, step: checkpoint.step };
  }

  #jobOf(record: JobRecord): ResolvedJob {
    const { registry } = this.#dependencies;
    refuseOtherPlugins(record, registry);
    return readJob(record.spec, registry);
  }

  #forgetOldest(): void {
    for (const [key, oldest] of this.#learners) {
      if (this.#learners.size <= 1) return;
      if (this.#learners.size <= keptLearners.count && this.#learnerBytes <= keptLearners.bytes) return;
      this.#learners.delete(key);
      oldest.then(
        ({ learner }) => {
          this.#learnerBytes -= learner.metaParams.byteLength;
        },
        () => {},
      );
    }
  }
}

function refuseLargeStates(field: string, models: readonly AdaptedFacts[]): void {
  const bytes = models.reduce((sum, model) => sum + bytesOf(model), 0);
  if (bytes <= maxStateBytes) return;
  throw invalid(
    field,
    `adapted states of ${formatBytes(bytes)}`,
    `at most ${formatBytes(maxStateBytes)} in one answer`,
  );
}
