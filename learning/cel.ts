// What a part says of itself in CEL, the language in which the API server of Kubernetes checks a
// resource: see ADR 31. Each member of `cel` stands for the member of the part with the same name,
// and is written next to it. Expressions are about `self`, the whole job file without any default
// filled in.
import type { MeasureHead } from '../shared/measures.ts';

/** A condition that every accepted job file fulfils. */
export interface CelRule {
  readonly rule: string;
  /** One line for the user: the field, and what it accepts. */
  readonly message: string;
}

/**
 * An expression for each field of a section. Where the field has a default, the expression gives the default for a
 * missing field; otherwise it is the field itself, to be asked for with `has()`.
 */
export type CelFields<Spec> = { readonly [Field in keyof Spec]-?: string };

/** As `TaskFacts`, with an expression for each number. */
export interface CelFacts {
  readonly sets: readonly string[];
  readonly target: 'values' | 'classes' | 'actions';
  readonly inputKind: 'vector' | 'image' | 'tokens' | 'observation';
  readonly input: readonly string[];
  /** The product of `input`. Default: written out. */
  readonly inputSize?: string;
  /** `input` has the smallest numbers that are possible, as CEL cannot read the field that decides them. */
  readonly isLeastInput?: true;
  readonly outputs: string;
  /**
   * The condition that the task is a sequence, and then has no support and no query set. Default:
   * it is none.
   */
  readonly isStream?: string;
  readonly supportExamples: string;
  readonly queryExamples: string;
}

/** What the CEL of a part may refer to besides its own section. */
export interface CelJob {
  readonly task: CelFacts;
  /** The split that evaluations use. */
  readonly evaluationSplit: string;
}

interface Checked {
  readonly check?: readonly CelRule[];
}

export interface DistributionCel extends Checked {
  readonly facts: CelFacts;
  /** Lists of the section, by path, that have each item once: an own word of a CRD's schema, as CEL would take too long. */
  readonly sets?: readonly string[];
}

export interface ModelCel extends Checked {
  /** Default: the model takes all tasks. */
  readonly needs?: CelRule;
  /** Of the model's parameters. */
  readonly parameters: CelParameters;
  readonly layers: string;
  /** Numbers in the masks of one example. Default: `0`. */
  readonly masks?: string;
  /** How many values `evaluation.insight` measures of a task. */
  readonly insights: string;
}

export interface CelParameters {
  readonly body: string;
  readonly head: string;
  /** Inputs of the head's matrix. */
  readonly features: string;
  readonly tensors: string;
  /** Numbers and tensors of batch norm, which are in the body. Default: `0`. */
  readonly normalization?: string;
  readonly normalizationTensors?: string;
  /** Whether there are any before the head. Default: `true`. */
  readonly hasBody?: string;
  /** Whether there is a head. Default: `true`. */
  readonly hasHead?: string;
  /** In the running statistics, which algorithms do not see. Default: there are none. */
  readonly running?: string;
}

export interface AlgorithmCel extends Checked {
  readonly needs?: CelRule;
  needsModel?(model: CelParameters): CelRule;
  /** Numbers in θ. Default: the model's. */
  parameters?(model: CelParameters): string;
  /** Groups of parameters. Default: `model`. */
  readonly groups?: readonly string[];
  /** Default: inner steps. */
  readonly axis?: 'none';
  readonly passes: string;
  readonly evaluationPasses?: string;
}

export interface ObjectiveCel extends Checked {
  readonly needs?: CelRule;
  readonly measures: readonly Omit<MeasureHead, 'axis' | 'points'>[];
}

export type OptimizerCel = Checked;

/** That evaluations draw other tasks than those of `task`: `task` then needs no split for them. */
export const hasOtherTasks = 'has(self.evaluation) && has(self.evaluation.task)';

/** That the best checkpoints are tested together on the test split, whatever `evaluation.split` is. */
export const hasEnsemble = 'has(self.evaluation) && has(self.evaluation.ensemble)';

/** The rule of parts that take some tasks only, where the distribution alone decides. */
export const celNeed = (isTaken: boolean, what: string): CelRule => ({
  rule: String(isTaken),
  message: `needs ${what}`,
});

/** The product of all of them; `1` for none. */
export const celProduct = (factors: readonly string[]): string => (factors.length > 0 ? factors.join(' * ') : '1');
