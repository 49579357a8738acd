// Checks that the results of shards and of spans share.
import { squaredNorm } from '../../learning/outer-loop/meta-gradient.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { excerpt } from '../../shared/foreign-text.ts';

/** Characters of what a worker sent that its refusal repeats. */
const maxGotLength = 200;

export interface TakenPayload {
  readonly bytes: Buffer;
  /** Gives the memory back, for the next payload: the bytes must not be looked at again. */
  release(): void;
}

export function refused(field: string, got: string, accepted: string): MetatrainError {
  const message = `shard result: ${field}: got ${excerpt(got, maxGotLength)}; accepted: ${accepted}`;
  return new MetatrainError('REQUEST_INVALID', message);
}

/** @returns the vector's squared norm, which the check has come by. */
export function mustBeFinite(vector: Float32Array, what: string): number {
  const squares = squaredNorm(vector);
  if (Number.isFinite(squares)) return squares;
  throw new MetatrainError('RESULT_NOT_FINITE', `${what} that the worker sent holds a NaN or an infinity`);
}

export function checkNonFiniteTasks(tasks: readonly number[], taskCount: number): void {
  const isSorted = tasks.every((task, i) => task < taskCount && task > (tasks[i - 1] ?? -1));
  if (!isSorted)
    throw refused('non_finite_tasks', tasks.slice(0, 20).join(', '), `ascending offsets below ${taskCount}`);
}
