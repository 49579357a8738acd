// What becomes of each part of θ at a meta-step: its group's clipping and learning rate, and whether its mean
// contribution is a meta-gradient, a new value, or nothing. Parameters that follow each other and are treated
// alike are one stretch; a job without groups and roles has one stretch, the whole of θ.

import type { JobSpec } from '../../shared/job-spec/index.ts';
import { elementsOf, type ParamsLayout } from '../../shared/tensor-codec.ts';
import type { Parameter } from '../facts.ts';
import type { OptimizerPart } from '../part.ts';

export interface Stretch {
  readonly begin: number;
  readonly end: number;
  readonly update: NonNullable<Parameter['update']>;
  /** A group with settings of its own; undefined: those of all. */
  readonly group: string | undefined;
}

/** A tensor that no parameter names has the default role. */
export function stretchesOf(
  layout: ParamsLayout,
  parameters: readonly Parameter[],
  { groups = {} }: Pick<JobSpec['meta'], 'groups'>,
): readonly Stretch[] {
  const roles = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const stretches: Stretch[] = [];
  let begin = 0;
  for (const { name, shape } of layout.tensors) {
    const { update = 'gradient', group = 'model' } = roles.get(name) ?? {};
    const end = begin + elementsOf(shape);
    const own = Object.hasOwn(groups, group) ? group : undefined;
    const last = stretches.at(-1);
    if (last?.update === update && last.group === own) stretches[stretches.length - 1] = { ...last, end };
    else stretches.push({ begin, end, update, group: own });
    begin = end;
  }
  return stretches;
}

export const hasOnlyGradients = (stretches: readonly Stretch[]): boolean =>
  stretches.every(({ update }) => update === 'gradient');

/** √Σg² over the stretches that hold a meta-gradient, added up in the order of the elements. */
export function gradientNorm(mean: Float64Array, stretches: readonly Stretch[]): number {
  let squares = 0;
  for (const { begin, end, update } of stretches) {
    if (update !== 'gradient') continue;
    for (let i = begin; i < end; i += 1) squares += mean[i]! * mean[i]!;
  }
  return Math.sqrt(squares);
}

/**
 * g ← g · clipNorm / ‖g‖ when ‖g‖ > clipNorm (Pascanu et al. 2013, algorithm 1), in place: for each group with a
 * `clipNorm` of its own, and over all other meta-gradients together.
 *
 * @param norm over all stretches that hold a meta-gradient.
 */
export function clipByGroup(
  mean: Float64Array,
  stretches: readonly Stretch[],
  norm: number,
  { clipNorm, groups = {} }: Pick<JobSpec['meta'], 'clipNorm' | 'groups'>,
): void {
  const units = new Map<string | undefined, Stretch[]>();
  for (const stretch of stretches) {
    if (stretch.update !== 'gradient') continue;
    const unit =
      stretch.group !== undefined && groups[stretch.group]?.clipNorm !== undefined ? stretch.group : undefined;
    units.set(unit, [...(units.get(unit) ?? []), stretch]);
  }
  for (const [unit, members] of units) {
    const limit = unit === undefined ? clipNorm : groups[unit]!.clipNorm;
    if (limit === undefined) continue;
    const unitNorm = units.size === 1 ? norm : gradientNorm(mean, members);
    if (unitNorm <= limit) continue;
    const factor = limit / unitNorm;
    for (const { begin, end } of members) for (let i = begin; i < end; i += 1) mean[i] = mean[i]! * factor;
  }
}

export interface RoleUpdate {
  readonly optimizer: Pick<OptimizerPart, 'update'>;
  readonly meta: JobSpec['meta'];
  readonly metaParams: Float32Array;
  /** Σ contributions / Σ weights, meta-gradients clipped. */
  readonly mean: Float64Array;
  /** Σ weights / Σ (weight × weight of its staleness): what makes an average of a stale contribution one again. */
  readonly averageFactor: number;
  readonly slots: Readonly<Record<string, Float32Array>>;
  /** Of a group without a learning rate of its own. */
  readonly learningRate: number;
  /** What the schedule multiplies every learning rate with. */
  readonly scheduleFactor: number;
  readonly step: number;
}

/** @returns θ after the meta-step, freshly owned. */
export function updateByRole(stretches: readonly Stretch[], given: RoleUpdate): Float32Array {
  const { optimizer, meta, metaParams, mean, slots, step } = given;
  const rateOf = ({ group }: Stretch): number => {
    const own = group === undefined ? undefined : meta.groups?.[group]?.learningRate;
    return own === undefined ? given.learningRate : own * given.scheduleFactor;
  };
  const [first] = stretches;
  if (stretches.length === 1 && first?.update === 'gradient') {
    const update = { metaParams, metaGradient: mean, slots, learningRate: rateOf(first), step };
    return optimizer.update(meta.optimizer, update);
  }
  const updated = metaParams.slice();
  for (const stretch of stretches) {
    const { begin, end } = stretch;
    switch (stretch.update) {
      case 'gradient': {
        const part = optimizer.update(meta.optimizer, {
          metaParams: metaParams.subarray(begin, end),
          metaGradient: mean.subarray(begin, end),
          slots: Object.fromEntries(Object.entries(slots).map(([name, slot]) => [name, slot.subarray(begin, end)])),
          learningRate: rateOf(stretch),
          step,
        });
        updated.set(part, begin);
        break;
      }
      case 'average':
        for (let i = begin; i < end; i += 1) updated[i] = mean[i]! * given.averageFactor;
        break;
      case 'fixed':
        break;
      default:
        stretch.update satisfies never;
    }
  }
  return updated;
}
