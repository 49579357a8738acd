// Conformance of what takes vectors, and that the files of conformance leave out no combination and
// no part.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { builtIn } from '../../../learning/registry.ts';
import { combinationsOf, describeConformance } from './conformance.ts';
import { smallJobs } from './small-jobs.ts';

describe('every algorithm on every model and task distribution', () => {
  const all = (['vector', 'image', 'tokens'] as const).flatMap(combinationsOf);
  const others = all.length - smallJobs.length;

  it(`takes ${all.length} combinations, ${others} of them with a part of another registry`, () => {
    assert.ok(others > 1);
    assert.ok(smallJobs.every((one) => all.includes(one)));
    const tried = new Set(smallJobs.flatMap(({ job }) => [job.algorithm, job.model, job.trained.distribution]));
    const parts = [...builtIn.all('algorithm'), ...builtIn.all('model'), ...builtIn.all('distribution')];
    assert.deepEqual(
      parts.filter((part) => !tried.has(part)).map(({ name }) => name),
      [],
    );
  });

  describeConformance('vector');
});
