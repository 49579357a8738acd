// `metatrain/learning`: what a user's own parts are written with. A plugin imports it by that name and
// gets the one of the process that loads it. Importing it loads neither an engine nor Node's modules
// for files and networks.
export type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs';
export { z } from 'zod';
export type { DataIdentity } from '../shared/data-identity.ts';
export type { ErrorCode } from '../shared/errors.ts';
export { MetatrainError } from '../shared/errors.ts';
export type { FieldProblem } from '../shared/job-spec/explain.ts';
export { count, finite, fraction, positive } from '../shared/job-spec/fields.ts';
export type { JobSpec } from '../shared/job-spec/index.ts';
export type { MeasureHead } from '../shared/measures.ts';
export { type Rng, taskRng } from '../shared/rng.ts';
export { elementsOf } from '../shared/tensor-codec.ts';
export * from './built.ts';
export * from './facts.ts';
export * from './kit/contribution.ts';
export * from './kit/fields.ts';
export type { DifferentiatedLoss, Examples, GradientKit } from './kit/gradients.ts';
export * from './kit/initializers.ts';
export type { Kit, ModelKit, ObjectiveKit } from './kit/kit.ts';
export { withoutPrefix, withPrefix } from './kit/prefix.ts';
export * from './kit/sequence.ts';
export type { Tf } from './kit/tools.ts';
export { joined } from './kit/words.ts';
export type {
  AlgorithmPart,
  AnyPart,
  Axis,
  CheckedJob,
  CheckedTasks,
  DefinedPart,
  DistributionPart,
  Domains,
  MeasureKind,
  MetaUpdate,
  ModelPart,
  ObjectivePart,
  OptimizerPart,
  PartKind,
  PartSchema,
  SpecOf,
  StatedSpec,
  StepInputs,
  TaskWords,
} from './part.ts';
export { defineAlgorithm, defineDistribution, defineModel, defineObjective, defineOptimizer } from './part.ts';
export * from './tasks.ts';
