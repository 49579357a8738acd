// Every operator in the catalogue: traced, differentiated, differentiated twice and batched, against the eager engine and finite differences.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { MetatrainError } from '../../../shared/errors.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import type { NamedTensors } from '../../../worker/engine/engine.ts';
import { tf } from '../../../worker/engine/tf/tf.ts';
import { checkBatched, checkGradient, checkSecondOrder, checkTraced, type Engines } from './operator-checks.ts';
import { operatorCases, operatorFamilies } from './operators.ts';

describe('operators', () => {
  let engines: Engines;
  before(async () => {
    engines = {
      compiled: await createEngine({ engine: 'compiled', device: 'cpu' }),
      eager: await createEngine({ engine: 'eager', device: 'cpu' }),
    };
  });
  after(async () => {
    await engines.compiled.close();
    await engines.eager.close();
  });

  it('have a name of their own each', () => {
    assert.equal(new Set(operatorCases.map(({ name }) => name)).size, operatorCases.length);
  });

  it('that the compiled engine lacks are refused by name, with the program that used them', async () => {
    const program = {
      name: 'maml transformer train',
      taskFunction: ({ w }: NamedTensors, { x }: NamedTensors) => ({
        sum: {},
        each: { y: tf.einsum('ab,bc->ac', x!, w!) },
      }),
      metaParams: { w: { shape: [2, 2], dtype: 'float32' } },
      task: { x: { shape: [2, 2], dtype: 'float32' } },
      taskCount: 1,
    } as const;
    await assert.rejects(engines.compiled.compile(program), {
      code: 'REQUEST_INVALID',
      message: 'program "maml transformer train": the compiled engine has no operator Einsum; engine: eager runs it',
      details: { program: 'maml transformer train', operator: 'Einsum' },
    });
  });

  it('whose gradient is missing are refused by name, with the program that used them', async () => {
    const reversed = (w: tf.Tensor) => tf.sum(tf.stridedSlice(w, [1], [-3], [-1])) as tf.Scalar;
    const program = {
      name: 'maml mlp train',
      taskFunction: ({ w }: NamedTensors) => ({ sum: { w: tf.grad(reversed)(w!) }, each: {} }),
      metaParams: { w: { shape: [2], dtype: 'float32' } },
      task: {},
      taskCount: 1,
    } as const;
    await assert.rejects(engines.compiled.compile(program), (error: MetatrainError) => {
      assert.equal(error.code, 'REQUEST_INVALID');
      assert.match(error.message, /program "maml mlp train": .*StridedSlice/);
      return true;
    });
  });

  for (const { family, cases } of operatorFamilies) {
    describe(family, () => {
      for (const operator of cases) {
        it(`${operator.name}: traced, the values are the eager engine's`, () => checkTraced(engines, operator));
        it(`${operator.name}: three tasks in one run are three runs`, () => checkBatched(engines, operator));
        if (operator.valuesOnly) continue;
        it(`${operator.name}: the gradient is right`, () => checkGradient(engines, operator));
        it(`${operator.name}: the gradient through a gradient step is right`, () =>
          checkSecondOrder(engines, operator));
      }
    });
  }
});
