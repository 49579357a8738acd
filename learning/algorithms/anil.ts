// Almost no inner loop. Only the head h is adapted, φ₀ = h, φᵢ₊₁ = φᵢ − α·∇_φ L_support(body, φᵢ); body and
// head are meta-learned by ∇ L_query(body, φ_k) (Raghu, Raghu, Bengio & Vinyals 2020, §4.1). With
// `order: first` every inner gradient is a constant, as in first-order MAML.
import { z } from 'zod';
import { headOf } from '../facts.ts';
import { adaptationOf, innerLoopFields } from '../kit/inner-loop.ts';
import { headNeeded, headNeededCel, supportNeeded, supportNeededCel } from '../kit/needs.ts';
import { joined } from '../kit/words.ts';
import { defineAlgorithm } from '../part.ts';

export const anil = defineAlgorithm({
  name: 'anil',
  title: 'ANIL',
  summary: 'MAML whose inner loop adapts the head alone; the body is meta-learned and reused as it is',
  paper: 'Raghu, Raghu, Bengio & Vinyals 2020',
  schema: z.strictObject(innerLoopFields),
  variants: {
    'second order': { innerSteps: 2, innerLearningRate: 0.1 },
    'first order': { order: 'first', innerSteps: 2, innerLearningRate: 0.1 },
  },
  describe: ({ order }) => joined(' ', order && `${order}-order`, 'ANIL'),
  needs: supportNeeded,
  needsModel: headNeeded,
  passes: ({ innerSteps }) => innerSteps,
  cel: ({ innerSteps }, { task }) => ({
    needs: supportNeededCel(task),
    needsModel: headNeededCel,
    passes: innerSteps,
  }),
  build: (spec, kit) => adaptationOf(kit, { ...spec, adapted: headOf(kit.modelParameters) }),
});
