// The number of parameters that the job file is judged by is the one that the worker's model has.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Conv4ModelSpec, conv4Model, type ModelSpec } from '../../../shared/job-spec/model.ts';
import { parameterCount } from '../../../shared/job-spec/parameter-count.ts';
import { taskShapeOf } from '../../../shared/job-spec/task-shape.ts';
import { layoutElements } from '../../../shared/tensor-codec.ts';
import { layoutOf } from '../../../worker/learning/models/model.ts';
import { buildModel } from '../../../worker/learning/models/registry.ts';
import { fitsTogether, modelVariants, taskVariants } from './small-jobs.ts';

const large: readonly Conv4ModelSpec[] = (['stride', 'max-pool'] as const).flatMap((downsampling) =>
  [true, false].map((batchNormScale) =>
    conv4Model.parse({ architecture: 'conv4', filters: 64, downsampling, batchNormScale }),
  ),
);
const variants: readonly ModelSpec[] = [...Object.values(modelVariants).flatMap((of) => Object.values(of)), ...large];

for (const task of Object.values(taskVariants)) {
  for (const model of variants.filter((model) => fitsTogether({ task, model }))) {
    test(`the parameters of ${JSON.stringify(model)} on ${task.distribution} are counted as the worker lays them out`, () => {
      const shape = taskShapeOf(task);
      assert.equal(parameterCount(model, shape), layoutElements(layoutOf(buildModel(model, shape))));
    });
  }
}
