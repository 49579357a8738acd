// The field types that several sections of the job file share. Models and losses compute in
// float32, so each number is checked after rounding to float32: 1e-50 would be used as 0, and 1e39
// as infinity.
import { z } from 'zod';
import { inKeywords } from './keywords.ts';

/** The smallest positive and the largest number in float32. */
const [smallest, largest] = ['1.4e-45', '3.4e38'];

/** The largest number that float32 rounds to 0, and the smallest that it rounds to infinity. */
export const float32Bounds = { zero: 2 ** -150, infinity: 2 ** 128 - 2 ** 103 } as const;
/** A rule in CEL, since the API server compares a whole number with a `maximum` in 64 bits, where this one has no place. */
const belowInfinity = {
  'x-kubernetes-validations': [
    { rule: `self < ${float32Bounds.infinity}`, message: `at most ${largest}, the range of float32` },
  ],
};

const isFiniteFloat32 = inKeywords((value: number): boolean => Number.isFinite(Math.fround(value)), {
  minimum: -float32Bounds.infinity,
  exclusiveMinimum: true,
  ...belowInfinity,
});
/** Whether the number is positive and finite in float32. */
export const isPositiveFloat32 = inKeywords(
  (value: number): boolean => Math.fround(value) > 0 && isFiniteFloat32(value),
  { minimum: float32Bounds.zero, exclusiveMinimum: true, ...belowInfinity },
);

export const finite = z.number().refine(isFiniteFloat32, `-${largest} to ${largest}, the range of float32`);
/** A number above zero. */
export const positive = z
  .number()
  .positive({ abort: true })
  .refine(isPositiveFloat32, `${smallest} to ${largest}, the range of float32 above 0`);
/** A whole number above zero. */
export const count = z.int().min(1).max(1_000_000_000);
/** A number from 0 to below 1, such as a momentum. */
export const fraction = z.number().min(0).lt(1);
