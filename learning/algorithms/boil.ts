// Body only update in the inner loop. The body b is adapted and the head is not: φ₀ = b,
// φᵢ₊₁ = φᵢ − α·∇_φ L_support(φᵢ, head); both are meta-learned by ∇ L_query(φ_k, head) (Oh, Yoo, Kim & Yun
// 2021, §2.2: the head's inner learning rate is 0). With `order: first` every inner gradient is a constant.
import { z } from 'zod';
import { bodyOf } from '../facts.ts';
import { adaptationOf, innerLoopFields } from '../kit/inner-loop.ts';
import { bodyAndHeadNeeded, bodyAndHeadNeededCel, supportNeeded, supportNeededCel } from '../kit/needs.ts';
import { joined } from '../kit/words.ts';
import { defineAlgorithm } from '../part.ts';

export const boil = defineAlgorithm({
  name: 'boil',
  title: 'BOIL',
  summary: 'MAML whose inner loop adapts the body alone, so that features change and not the head',
  paper: 'Oh, Yoo, Kim & Yun 2021',
  schema: z.strictObject(innerLoopFields),
  variants: {
    'second order': { innerSteps: 2, innerLearningRate: 0.05 },
    'first order': { order: 'first', innerSteps: 2, innerLearningRate: 0.05 },
  },
  describe: ({ order }) => joined(' ', order && `${order}-order`, 'BOIL'),
  needs: supportNeeded,
  needsModel: bodyAndHeadNeeded,
  passes: ({ innerSteps }) => innerSteps,
  cel: ({ innerSteps }, { task }) => ({
    needs: supportNeededCel(task),
    needsModel: bodyAndHeadNeededCel,
    passes: innerSteps,
  }),
  build: (spec, kit) => adaptationOf(kit, { ...spec, adapted: bodyOf(kit.modelParameters) }),
});
