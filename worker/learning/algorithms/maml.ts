// Model-agnostic meta-learning. φ₀ = θ, φᵢ₊₁ = φᵢ − α·∇L_support(φᵢ); the meta-gradient is ∇_θ L_query(φ_k) (Finn et al. 2017, algorithm 1 and
// equation 1). `order: first` takes ∇_φ L_query(φ_k) in its place, that is, treats every inner gradient as a constant (§5.2).
import type { MamlAlgorithmSpec } from '../../../shared/job-spec/algorithm.ts';
import type { NamedTensors } from '../../engine/engine.ts';
import { tf } from '../../engine/tf/tf.ts';
import { after, type BuildAlgorithm, trainOutputs } from './algorithm.ts';
import { differentiate, gradientsOf, mapParams, withoutKeeping } from './gradients.ts';
import { type Examples, querySet, supportSet } from './learner.ts';

export const buildMaml: BuildAlgorithm<MamlAlgorithmSpec> = (spec, learner) => {
  const { order, innerSteps, innerLearningRate } = spec;
  const step = (params: NamedTensors, support: Examples): NamedTensors => {
    const gradients = gradientsOf(learner, params, support);
    return mapParams(params, (name, value) => tf.sub(value, tf.mul(gradients[name]!, innerLearningRate)));
  };
  function* adapt(metaParams: NamedTensors, task: NamedTensors): Iterable<NamedTensors> {
    const support = supportSet(task);
    let params = metaParams;
    for (;;) {
      params = spec.rematerialize ? withoutKeeping(step, params, support) : step(params, support);
      yield params;
    }
  }
  return {
    adapt,
    train(metaParams, task) {
      const query = querySet(task);
      const adapted = (params: NamedTensors) => after(innerSteps, adapt(params, task), params);
      const { loss, predictions, gradients } =
        order === 'second'
          ? differentiate(learner, metaParams, adapted, query)
          : differentiate(learner, adapted(metaParams), (params) => params, query);
      return trainOutputs(learner, gradients, loss, predictions, query.targets);
    },
  };
};
