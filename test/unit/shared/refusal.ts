// What the tests of the job file expect of a refusal: one MetatrainError with code REQUEST_INVALID, and nothing else.
import assert from 'node:assert/strict';
import { MetatrainError } from '../../../shared/errors.ts';

/** The error that `action` throws. */
export function refusalOf(action: () => unknown): MetatrainError {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof MetatrainError, error instanceof Error ? (error.stack ?? error.message) : String(error));
    assert.equal(error.code, 'REQUEST_INVALID');
    return error;
  }
  assert.fail('nothing was refused');
}
