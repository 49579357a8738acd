// What a job with `meta.privacy` draws from its coordinator's secret: which tasks of the pool a
// meta-step takes, and the noise on its sum. The coordinator supplies the streams
// (`SecretStreams`); nothing here, in a job file, in a checkpoint or on a worker tells them.

import type { JobSpec } from '../../shared/job-spec/index.ts';
import { poissonSample, type SecretRng } from '../../shared/secret-rng.ts';
import type { Stretch } from './roles.ts';

/** The job's secret stream for a purpose and a meta-step. */
export type SecretStreams = (purpose: 'noise' | 'sample', metaStep: number) => SecretRng;

export class SecretDraws {
  readonly #streams: SecretStreams;
  readonly #meta: JobSpec['meta'];
  /** Of the newest meta-step that was asked for: every shard's lease asks. */
  #sample: { readonly metaStep: number; readonly tasks: readonly number[] } | undefined;

  /** @param meta with `privacy`. */
  constructor(meta: JobSpec['meta'], streams: SecretStreams) {
    this.#meta = meta;
    this.#streams = streams;
  }

  /**
   * The tasks of a meta-step, ascending and maybe none; undefined without a pool, where they follow
   * each other.
   */
  sample(metaStep: number): readonly number[] | undefined {
    const { privacy, batchSize } = this.#meta;
    const pool = privacy?.pool;
    if (pool === undefined) return undefined;
    if (this.#sample?.metaStep !== metaStep) {
      const tasks = poissonSample(this.#streams('sample', metaStep), pool, batchSize / pool);
      this.#sample = { metaStep, tasks };
    }
    return this.#sample.tasks;
  }

  /** Whether a meta-step has no task: its sum is noise alone. */
  isEmpty(metaStep: number): boolean {
    return this.sample(metaStep)?.length === 0;
  }

  /**
   * The mean over the meta-batch that is expected, with the noise: g ← (Σ clipped + σC · z) /
   * batchSize, in place. Fixed parameters have no contribution, and get no noise.
   *
   * @param sum over the tasks of this meta-step.
   */
  perturb(sum: Float64Array, stretches: readonly Stretch[], metaStep: number): void {
    const { privacy, batchSize } = this.#meta;
    const deviation = privacy!.noiseMultiplier * privacy!.taskClipNorm;
    const rng = this.#streams('noise', metaStep);
    if (this.isEmpty(metaStep)) sum.fill(0);
    for (const { begin, end, update } of stretches) {
      if (update === 'fixed') continue;
      for (let i = begin; i < end; i += 1) sum[i] = (sum[i]! + deviation * rng.normal()) / batchSize;
    }
  }
}
