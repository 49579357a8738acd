// The error for data that differs from a job's data: thrown by the worker before it computes, and
// by the coordinator before a result counts.
import { type DataIdentity, describeData } from './data-identity.ts';
import { MetatrainError } from './errors.ts';

/**
 * @param expected what the job keeps to; empty while that is not known.
 * @throws MetatrainError `DATA_SET_DIFFERS` that names both.
 */
export function refuseOtherData(expected: readonly DataIdentity[], read: readonly DataIdentity[]): void {
  const [begun, here] = [describeData(expected), describeData(read)];
  if (begun === '' || begun === here) return;
  const message = `the job keeps to the data it began with, ${begun}; read here: ${here || 'no data set'}`;
  throw new MetatrainError('DATA_SET_DIFFERS', message, { details: { expected, read } });
}
