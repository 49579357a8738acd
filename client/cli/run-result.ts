// The result of `run` in the form of its `--json` output: the contract for scripts.
import type { DataIdentity } from '../../shared/data-identity.ts';
import type { PluginIdentity } from '../../shared/plugin-identity.ts';
import { type PrivacyPromise, privacyOf } from '../../shared/privacy.ts';
import type { JobWords } from '../../shared/protocol.ts';
import type { Evaluation, Job, JobError, JobEvent, JobState, Verdict } from '../records.ts';
import type { SavedModel } from './model-file.ts';

export interface RunResult {
  readonly jobId: string;
  readonly name: string;
  readonly state: JobState;
  /** Meta-steps applied. */
  readonly steps: number;
  readonly paramsSha256: string;
  /** From the submit until the job had ended. */
  readonly wallSeconds: number;
  /** Training tasks a second, from this run's first progress report to its last. */
  readonly tasksPerSecond: number;
  readonly metaStepsPerSecond: number;
  /** The last one; null when the job ended before any. */
  readonly evaluation: Evaluation | null;
  /** The verdict beside the published figure; null without one, or if the job did not succeed. */
  readonly verdict: Verdict | null;
  /** The words of its parts, and of those of the published protocol. */
  readonly words: JobWords;
  readonly publishedWords?: JobWords;
  /** Changes to the job file, such as `meta.iterations=500`. */
  readonly overrides: readonly string[];
  /** Where the model was saved; null if it was not saved; absent if no file was requested. */
  readonly model?: SavedModel | null;
  readonly engineFingerprint: string;
  readonly mixedFingerprints: boolean;
  /** What the job was computed with; empty where its tasks need no data. */
  readonly data: readonly DataIdentity[];
  /** The plugins whose parts it uses. */
  readonly plugins: readonly PluginIdentity[];
  readonly skippedTasks: number;
  /**
   * What a job with `meta.privacy` promises each training task. Its bytes follow from the job file
   * and the coordinator's secret.
   */
  readonly privacy?: PrivacyPromise;
  readonly error?: JobError;
}

export function runResult(job: Job, wallSeconds: number, metaStepsPerSecond: number): RunResult {
  const privacy = privacyOf(job.spec, job.steps);
  return {
    jobId: job.jobId,
    name: job.name,
    state: job.state,
    steps: job.steps,
    paramsSha256: job.paramsSha256,
    wallSeconds,
    tasksPerSecond: metaStepsPerSecond * job.spec.meta.batchSize,
    metaStepsPerSecond,
    evaluation: job.evaluations.at(-1) ?? null,
    verdict: job.verdict ?? null,
    words: job.words,
    ...(job.publishedWords ? { publishedWords: job.publishedWords } : {}),
    overrides: job.overrides,
    engineFingerprint: job.engineFingerprint,
    mixedFingerprints: job.mixedFingerprints,
    data: job.data,
    plugins: job.plugins,
    skippedTasks: job.skippedTasks,
    ...(privacy && { privacy }),
    ...(job.error ? { error: job.error } : {}),
  };
}

/** Meta-steps a second between the progress reports that were made after `since`; replayed history does not count. */
export class ThroughputMeter {
  readonly #since: number;
  #first: { readonly step: number; readonly time: number } | undefined;
  #last: { readonly step: number; readonly time: number; readonly rate: number } | undefined;

  /** @param since milliseconds since the epoch. */
  constructor(since: number) {
    this.#since = since;
  }

  observe(event: JobEvent): void {
    const time = event.time.getTime();
    if (event.kind !== 'metaStep' || time < this.#since) return;
    const { step, metaStepsPerSecond } = event.summary;
    this.#first ??= { step, time };
    this.#last = { step, time, rate: metaStepsPerSecond };
  }

  /** 0 when nothing was trained; the only report's own rate when there was one. */
  get metaStepsPerSecond(): number {
    if (!this.#first || !this.#last) return 0;
    const seconds = (this.#last.time - this.#first.time) / 1000;
    return seconds > 0 ? (this.#last.step - this.#first.step) / seconds : this.#last.rate;
  }
}
