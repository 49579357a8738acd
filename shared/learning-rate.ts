// The meta-learning rate of a step: the optimizer's rate times the schedule's factor.
import type { ScheduleSpec } from './job-spec/meta.ts';

/**
 * @param step meta-steps applied so far, t.
 * @param iterations meta-steps in all, T.
 * @returns constant: 1. step: factor^⌊t / every⌋. cosine: final + (1 − final)(1 + cos(πt/T))/2 (Loshchilov & Hutter 2017, equation 5).
 *   linear: 1 − (1 − final)·t/T.
 */
export function scheduleFactor(schedule: ScheduleSpec, step: number, iterations: number): number {
  switch (schedule.name) {
    case 'constant':
      return 1;
    case 'step':
      return integerPower(schedule.factor, Math.floor(step / schedule.every));
    case 'cosine':
      return schedule.final + ((1 - schedule.final) * (1 + Math.cos((Math.PI * step) / iterations))) / 2;
    case 'linear':
      return 1 - ((1 - schedule.final) * step) / iterations;
    default:
      return schedule satisfies never;
  }
}

/** base^exponent by squaring: multiplications only, so every machine gives the same bits, which Math.pow does not promise. */
export function integerPower(base: number, exponent: number): number {
  let power = 1;
  let square = base;
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) power *= square;
    square *= square;
  }
  return power;
}
