// The field types that several parts share.
import { z } from 'zod';

/** Steps of an adaptation, 1 to 1,000. */
export const innerSteps = z.int().min(1).max(1000);

/** A range [low, high]. */
export const isRange = ([low, high]: readonly [number, number]): boolean => low <= high;
