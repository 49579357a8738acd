// The arrays that a request brings: a support set to adapt to, inputs to predict from, or a state. Their
// shapes follow from the task's facts, except for the number of examples, which is the request's own. The
// coordinator checks a request with this before it is queued, a worker before it compiles anything.
import { MetatrainError } from '../shared/errors.ts';
import { elementsOf, layoutElements, type ParamsLayout } from '../shared/tensor-codec.ts';
import type { NamedArrays } from './built.ts';
import type { TaskFacts } from './facts.ts';

type Shape = readonly number[];

/** Examples of one request, at most. */
export const maxRequestExamples = 100_000;
const maxTensors = 10_000;
const maxTensorNameBytes = 200;
const maxTensorRank = 16;

/** The tensors of a task that its adaptation may see: all but the query set, and what belongs to none of its classes. */
export const supportTensors = ({ tensors }: Pick<TaskFacts, 'tensors'>): string[] =>
  Object.keys(tensors).filter((name) => !/^(query|outside)/.test(name));

/**
 * The shapes of a support set's arrays, with the examples that they hold. Tensors of one row a support
 * example may have any number of rows, all the same one; others have the shape of the facts.
 *
 * @throws MetatrainError `REQUEST_INVALID` naming the array.
 */
export function supportShapes(task: TaskFacts, support: NamedArrays): Record<string, Shape> {
  const names = supportTensors(task);
  const got = Object.keys(support);
  const areKnown = got.length === names.length && names.every((name) => Object.hasOwn(support, name));
  if (!areKnown) throw invalid('support', got.join(', ') || 'nothing', names.join(', '));
  let examples: number | undefined;
  const shapes = names.map((name): [string, Shape] => {
    const { shape } = task.tensors[name]!;
    const { length } = support[name]!;
    const [rows, ...row] = shape;
    if (rows !== task.supportExamples) {
      if (length !== elementsOf(shape)) throw invalid(`support.${name}`, `${length} numbers`, `[${shape}]`);
      return [name, shape];
    }
    const count = examplesIn(`support.${name}`, length, row);
    examples ??= count;
    if (count !== examples) throw invalid(`support.${name}`, `${count} examples`, `${examples}, as ${names[0]} has`);
    return [name, [count, ...row]];
  });
  return Object.fromEntries(shapes);
}

/** @throws MetatrainError `REQUEST_INVALID` */
export const inputsShape = ({ input }: TaskFacts, inputs: Float32Array): Shape => [
  examplesIn('inputs', inputs.length, input),
  ...input,
];

function examplesIn(field: string, length: number, row: Shape): number {
  const width = elementsOf(row);
  const count = length / width;
  if (Number.isInteger(count) && count >= 1 && count <= maxRequestExamples) return count;
  throw invalid(field, `${length} numbers`, `${width} numbers an example, for 1 to ${maxRequestExamples} examples`);
}

/**
 * Checks that a layout can be one, and that it is as long as its vector.
 *
 * @throws MetatrainError `REQUEST_INVALID`
 */
export function checkStateLayout(layout: ParamsLayout, elements: number): void {
  const { tensors } = layout;
  if (tensors.length > maxTensors) throw invalid('state', `${tensors.length} tensors`, `at most ${maxTensors}`);
  const names = new Set(tensors.map(({ name }) => name));
  if (names.size < tensors.length || names.has('')) {
    throw invalid('state', 'names that are empty or not unique', 'a name of its own for every tensor');
  }
  const isLong = tensors.some(
    ({ name, shape }) => Buffer.byteLength(name) > maxTensorNameBytes || shape.length > maxTensorRank,
  );
  const accepted = `names of ${maxTensorNameBytes} bytes, ${maxTensorRank} dimensions`;
  if (isLong) throw invalid('state', 'a long name or shape', accepted);
  const needed = layoutElements(layout);
  if (elements !== needed) throw invalid('state', `${elements} numbers`, `${needed}, as its layout says`);
}

/** @throws MetatrainError `REQUEST_INVALID` */
export function checkPoint(point: number, points: readonly string[]): void {
  if (Number.isInteger(point) && point >= 0 && point < points.length) return;
  throw invalid('point', String(point), `0 to ${points.length - 1}, the points of the job file's axis`);
}

export function invalid(field: string, got: string, accepted: string): MetatrainError {
  return new MetatrainError('REQUEST_INVALID', `request: ${field}: got ${got}; accepted: ${accepted}`, {
    details: { field },
  });
}
