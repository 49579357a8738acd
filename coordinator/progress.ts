// A job's pace and the summaries of its meta-steps, thinned to four a second at first and one a second later on: thousands of meta-steps a second must
// not become thousands of events, messages or disk writes. A short job has a curve all the same.
import type { AppliedMetaStep } from './aggregation/training.ts';
import type { MetaStepRecord } from './store/job-record.ts';

/** Between two summaries, at least: this share of the time so far, within these bounds. */
const intervalShare = 1 / 20;
const shortestIntervalMs = 250;
const longestIntervalMs = 1_000;

export class Progress {
  readonly #iterations: number;
  readonly #batchSize: number;
  readonly #startedAt: number;
  #summarisedAt: number;
  #summarisedStep: number;
  #stepsPerSecond: number | undefined;

  /** @param step meta-steps applied so far. */
  constructor(iterations: number, batchSize: number, now: number, step: number) {
    this.#iterations = iterations;
    this.#batchSize = batchSize;
    this.#startedAt = now;
    this.#summarisedAt = now;
    this.#summarisedStep = step;
  }

  /** Time in which no meta-step was meant to be applied (an evaluation, a pause) is not part of the pace. */
  restart(now: number, step: number): void {
    this.#summarisedAt = now;
    this.#summarisedStep = step;
  }

  /** The summary, when it is time for one or this is the last meta-step. */
  applied(
    now: number,
    step: number,
    { skippedTasks: _, taskGradients, ...applied }: AppliedMetaStep,
  ): MetaStepRecord | undefined {
    const elapsedMs = now - this.#summarisedAt;
    if (elapsedMs < this.#intervalMs(now) && step < this.#iterations) return undefined;
    const pace = ((step - this.#summarisedStep) * 1_000) / Math.max(elapsedMs, 1);
    const before = this.#stepsPerSecond;
    this.#stepsPerSecond = before === undefined ? pace : before + 0.3 * (pace - before);
    this.restart(now, step);
    const { queryAccuracy, ...rest } = applied;
    return {
      step,
      iterations: this.#iterations,
      ...rest,
      ...(queryAccuracy !== undefined && { queryAccuracy }),
      ...(taskGradients && { taskGradientVariance: taskGradients.variance, taskGradientCosine: taskGradients.cosine }),
      metaStepsPerSecond: this.#stepsPerSecond,
      tasksPerSecond: this.#stepsPerSecond * this.#batchSize,
      etaSeconds: (this.#iterations - step) / this.#stepsPerSecond,
    };
  }

  #intervalMs(now: number): number {
    return Math.min(longestIntervalMs, Math.max(shortestIntervalMs, (now - this.#startedAt) * intervalShare));
  }
}
