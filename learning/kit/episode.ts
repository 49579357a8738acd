// Draws N-way K-shot episodes: which classes, which of their examples, and in which row each stands; or
// one sequence of examples of each class, in one random order.
import type { Rng } from '../../shared/rng.ts';
import type { NamedArrays } from '../built.ts';

export interface Episode {
  readonly ways: number;
  readonly shots: number;
  readonly queries: number;
  /** Of a sequence: how often each class is shown. Default: the task is no sequence. */
  readonly presentations?: number | undefined;
  /** How many classes there are to draw from. */
  readonly classes: number;
  /** How many examples a class has; at least shots + queries. */
  examplesOf(classNumber: number): number;
  /** The examples that every class shows, shots before queries. Default: drawn anew for each class. */
  readonly examples?: readonly number[] | undefined;
  /** Called for each class of the task, before its examples. */
  describe?(classNumber: number, label: number): void;
  /** Writes one example's input as row `row` of `inputs`. */
  copy(classNumber: number, example: number, inputs: Float32Array, row: number): void;
}

/**
 * Overwrites the task's arrays: those of a sequence, where the episode is one, or those of a
 * support and a query set.
 */
export function drawEpisode(rng: Rng, episode: Episode, task: NamedArrays): void {
  if (episode.presentations === undefined) drawSets(rng, episode, task);
  else drawSequence(rng, episode, episode.presentations, task);
}

/**
 * A query set, and a support set where `shots` is not 0. All classes' first examples come before
 * their second ones, so that consecutive mini-batches hold all classes.
 */
function drawSets(rng: Rng, episode: Episode, task: NamedArrays): void {
  const { ways, shots, queries, classes } = episode;
  const { supportInputs, supportTargets, queryInputs, queryTargets } = task as Record<string, Float32Array>;
  supportTargets?.fill(0);
  queryTargets!.fill(0);
  for (const [label, classNumber] of rng.sample(ways, classes).entries()) {
    episode.describe?.(classNumber, label);
    const chosen = episode.examples ?? rng.sample(shots + queries, episode.examplesOf(classNumber));
    for (const [position, example] of chosen.entries()) {
      const isSupport = position < shots;
      const row = (isSupport ? position : position - shots) * ways + label;
      episode.copy(classNumber, example, isSupport ? supportInputs! : queryInputs!, row);
      (isSupport ? supportTargets! : queryTargets!)[row * ways + label] = 1;
    }
  }
}

/**
 * A sequence's examples stand in the order in which they are shown. Labels are drawn anew in each
 * task, since `sample` gives the classes in random order.
 */
function drawSequence(rng: Rng, episode: Episode, presentations: number, task: NamedArrays): void {
  const { ways, classes } = episode;
  const { streamInputs, streamTargets } = task as Record<string, Float32Array>;
  streamTargets!.fill(0);
  const rows = rng.sample(ways * presentations, ways * presentations);
  for (const [label, classNumber] of rng.sample(ways, classes).entries()) {
    for (const [turn, example] of rng.sample(presentations, episode.examplesOf(classNumber)).entries()) {
      const row = rows[label * presentations + turn]!;
      episode.copy(classNumber, example, streamInputs!, row);
      streamTargets![row * ways + label] = 1;
    }
  }
}
