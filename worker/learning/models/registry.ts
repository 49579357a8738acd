// The models by their architecture in the job file. A model is one file and one line here; an architecture without a line does not compile.
import type { ModelSpec } from '../../../shared/job-spec/model.ts';
import type { TaskShape } from '../../../shared/job-spec/task-shape.ts';
import { buildConv4 } from './conv4.ts';
import { buildMlp } from './mlp.ts';
import type { BuildModel, Model } from './model.ts';

export const models: {
  readonly [Name in ModelSpec['architecture']]: BuildModel<Extract<ModelSpec, { architecture: Name }>>;
} = {
  mlp: buildMlp,
  conv4: buildConv4,
};

export function buildModel(spec: ModelSpec, task: TaskShape): Model {
  return (models[spec.architecture] as BuildModel<ModelSpec>)(spec, task);
}
