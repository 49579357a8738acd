// The field types that several sections of the job file share.
import { z } from 'zod';

export const finite = z.number();
/** A number above zero. */
export const positive = z.number().positive();
/** A whole number above zero. */
export const count = z.int().min(1).max(1_000_000_000);
/** A number from 0 to below 1, such as a momentum. */
export const fraction = z.number().min(0).lt(1);
