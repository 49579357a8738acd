// The `model` section: the architecture whose parameters are meta-trained. One schema an architecture.
import { z } from 'zod';

export const mlpModel = z.strictObject({
  architecture: z.literal('mlp'),
  /** Units of each hidden layer. */
  hiddenLayers: z.array(z.int().min(1).max(65_536)).max(32).default([40, 40]),
  activation: z.enum(['relu', 'tanh', 'sigmoid']).default('relu'),
  /** `he`: normal, σ = √(2 / inputs). `truncated-normal`: σ = 0.01, cut at 2σ (the code of Finn et al. 2017). Biases are zero. */
  initialization: z.enum(['he', 'truncated-normal']).default('he'),
});

/** Four 3×3 convolutions, each followed by batch norm on the current batch's statistics and relu, then a linear layer. */
export const conv4Model = z.strictObject({
  architecture: z.literal('conv4'),
  filters: z.int().min(1).max(4096).default(64),
  /** `stride`: stride 2, then the spatial mean (MAML on Omniglot). `max-pool`: stride 1, 2×2 max-pooling, then flatten. */
  downsampling: z.enum(['stride', 'max-pool']).default('max-pool'),
  /**
   * Whether batch norm multiplies by a learned scale besides adding a learned shift. The code of Finn
   * et al. 2017 only shifts.
   */
  batchNormScale: z.boolean().default(true),
  /**
   * Weights of the linear layer: `xavier` uniform, or `normal` with σ = 1 (the code of Finn et al. 2017
   * for averaged features). Its bias is zero.
   */
  headInitialization: z.enum(['xavier', 'normal']).default('xavier'),
});

export const modelSchema = z.discriminatedUnion('architecture', [mlpModel, conv4Model]);

export type ModelSpec = z.infer<typeof modelSchema>;
export type MlpModelSpec = z.infer<typeof mlpModel>;
export type Conv4ModelSpec = z.infer<typeof conv4Model>;
