// The algorithms by their name in the job file. An algorithm is one file and one line here; a name without a line does not compile.
import type { AlgorithmSpec } from '../../../shared/job-spec/algorithm.ts';
import type { Algorithm, BuildAlgorithm } from './algorithm.ts';
import type { Learner } from './learner.ts';
import { buildMaml } from './maml.ts';
import { buildReptile } from './reptile.ts';

export const algorithms: {
  readonly [Name in AlgorithmSpec['name']]: BuildAlgorithm<Extract<AlgorithmSpec, { name: Name }>>;
} = {
  maml: buildMaml,
  reptile: buildReptile,
};

export function buildAlgorithm(spec: AlgorithmSpec, learner: Learner): Algorithm {
  return (algorithms[spec.name] as BuildAlgorithm<AlgorithmSpec>)(spec, learner);
}
