// A job's pace and the summaries of its meta-steps, thinned to four a second at first and one a second later on: thousands of meta-steps a second must
// not become thousands of events, messages or disk writes. A short job has a curve all the same.
import type { AppliedMetaStep } from '../../learning/outer-loop/training.ts';
import type { MetaStepRecord } from '../store/job-record.ts';

/** Of training, between two summaries, at least: this share of the job's training so far, within these bounds. */
const intervalShare = 1 / 20;
const shortestIntervalMs = 250;
const longestIntervalMs = 1_000;

export class Progress {
  readonly #iterations: number;
  readonly #batchSize: number;
  /** Until when `#trainedMs` counts. */
  #at: number;
  #trainedMs = 0;
  #summarisedMs = 0;
  #summarisedStep: number;
  #stepsPerSecond: number | undefined;
  /** Whether a meta-step was applied since this process began with the job. */
  #isWarm = false;

  /** @param step meta-steps applied so far. */
  constructor(iterations: number, batchSize: number, now: number, step: number) {
    this.#iterations = iterations;
    this.#batchSize = batchSize;
    this.#at = now;
    this.#summarisedStep = step;
  }

  /** Training goes on: the time since the last meta-step (an evaluation's, a pause's, the queue's) is no part of it. */
  resume(now: number): void {
    this.#at = now;
  }

  /** When the last meta-step was applied, or training went on. */
  get appliedAt(): number {
    return this.#at;
  }

  /** The summary, when it is time for one or this is the last meta-step. */
  applied(
    now: number,
    step: number,
    { skippedTasks: _, taskGradients, ...applied }: AppliedMetaStep,
  ): MetaStepRecord | undefined {
    this.#trainedMs += now - this.#at;
    this.#at = now;
    const elapsedMs = this.#trainedMs - this.#summarisedMs;
    const isFirst = !this.#isWarm;
    this.#isWarm = true;
    if (elapsedMs < this.#intervalMs() && step < this.#iterations) return undefined;
    const pace = ((step - this.#summarisedStep) * 1_000) / Math.max(elapsedMs, 1);
    const before = this.#stepsPerSecond;
    const stepsPerSecond = before === undefined ? pace : before + 0.3 * (pace - before);
    // The first meta-step waits for compilation: the next pace is not smoothed with its own.
    if (!isFirst) this.#stepsPerSecond = stepsPerSecond;
    this.#summarisedMs = this.#trainedMs;
    this.#summarisedStep = step;
    return {
      step,
      iterations: this.#iterations,
      ...applied,
      ...(taskGradients && { taskGradientVariance: taskGradients.variance, taskGradientCosine: taskGradients.cosine }),
      metaStepsPerSecond: stepsPerSecond,
      tasksPerSecond: stepsPerSecond * this.#batchSize,
      etaSeconds: (this.#iterations - step) / stepsPerSecond,
    };
  }

  #intervalMs(): number {
    return Math.min(longestIntervalMs, Math.max(shortestIntervalMs, this.#trainedMs * intervalShare));
  }
}
