// Draws N-way K-shot episodes: which classes, which of their examples, and in which row each stands.
import type { Rng } from '../../shared/rng.ts';
import type { NamedArrays } from '../built.ts';

export interface Episode {
  readonly ways: number;
  readonly shots: number;
  readonly queries: number;
  /** How many classes there are to draw from. */
  readonly classes: number;
  /** How many examples a class has; at least shots + queries. */
  examplesOf(classNumber: number): number;
  /** Called for each class of the task, before its examples. */
  describe?(classNumber: number, label: number): void;
  /** Writes one example's input as row `row` of `inputs`. */
  copy(classNumber: number, example: number, inputs: Float32Array, row: number): void;
}

/**
 * Overwrites the arrays of a query set, and of a support set where `shots` is not 0. All classes' first examples
 * come before their second ones, so that consecutive mini-batches hold all classes.
 */
export function drawEpisode(rng: Rng, episode: Episode, task: NamedArrays): void {
  const { ways, shots, queries, classes } = episode;
  const { supportInputs, supportTargets, queryInputs, queryTargets } = task as Record<string, Float32Array>;
  supportTargets?.fill(0);
  queryTargets!.fill(0);
  for (const [label, classNumber] of rng.sample(ways, classes).entries()) {
    episode.describe?.(classNumber, label);
    const chosen = rng.sample(shots + queries, episode.examplesOf(classNumber));
    for (const [position, example] of chosen.entries()) {
      const isSupport = position < shots;
      const row = (isSupport ? position : position - shots) * ways + label;
      episode.copy(classNumber, example, isSupport ? supportInputs! : queryInputs!, row);
      (isSupport ? supportTargets! : queryTargets!)[row * ways + label] = 1;
    }
  }
}
