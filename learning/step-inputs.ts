// What an algorithm's programs are given of the meta-step: small named float32 tensors. Their names and
// shapes are fixed for a job, since programs are compiled for them.
import { MetatrainError } from '../shared/errors.ts';
import type { NamedArrays } from './built.ts';
import type { ResolvedJob } from './job.ts';

/** Numbers of one step's inputs together. */
export const maxStepNumbers = 1_024;

export interface StepInputShape {
  readonly name: string;
  readonly shape: readonly number[];
}

type InputsOf = Pick<ResolvedJob, 'spec' | 'algorithm' | 'task'>;

/** Of every meta-step. @throws MetatrainError `REQUEST_INVALID` for inputs that a program cannot have. */
export function stepInputShapes(job: InputsOf): readonly StepInputShape[] {
  const inputs = job.algorithm.inputs?.(job.spec.algorithm, 0, job) ?? {};
  const shapes = Object.entries(inputs).map(([name, value]) => ({
    name,
    shape: typeof value === 'number' ? [] : [value.length],
  }));
  const numbers = Object.values(inputs).flat().length;
  if (numbers > maxStepNumbers) {
    throw refused(job, `its inputs of a meta-step have ${numbers} numbers; accepted: at most ${maxStepNumbers}`);
  }
  return shapes;
}

/**
 * The inputs of a meta-step.
 *
 * @param shapes the job's.
 * @throws MetatrainError `REQUEST_INVALID` when a name, a length or a value is none that the programs were compiled for.
 */
export function stepInputs(job: InputsOf, shapes: readonly StepInputShape[], metaStep: number): NamedArrays {
  const inputs = job.algorithm.inputs?.(job.spec.algorithm, metaStep, job) ?? {};
  const names = Object.keys(inputs);
  const known = shapes.map(({ name }) => name);
  if (names.length !== known.length || !known.every((name) => Object.hasOwn(inputs, name))) {
    const listed = (words: readonly string[]) => words.join(', ') || 'none';
    throw refused(job, `its inputs are ${listed(names)} at meta-step ${metaStep}; accepted: ${listed(known)}, as at meta-step 0`); // biome-ignore format: one line
  }
  return Object.fromEntries(
    shapes.map(({ name, shape }) => {
      const value = inputs[name]!;
      const isShape = typeof value === 'number' ? shape.length === 0 : shape[0] === value.length;
      const values = Float32Array.from([value].flat());
      if (!isShape || !values.every(Number.isFinite)) {
        const got = excerptOf(value);
        const accepted = shape.length === 0 ? 'a finite float32 number' : `${shape[0]} finite float32 numbers`;
        throw refused(job, `its input ${name} at meta-step ${metaStep}: got ${got}; accepted: ${accepted}`);
      }
      return [name, values];
    }),
  );
}

const excerptOf = (value: number | readonly number[]): string =>
  typeof value === 'number' ? String(value) : `[${value.slice(0, 8).join(', ')}${value.length > 8 ? ', …' : ''}]`;

const refused = ({ algorithm }: InputsOf, what: string) =>
  new MetatrainError('REQUEST_INVALID', `algorithm ${algorithm.name}: ${what}`);
