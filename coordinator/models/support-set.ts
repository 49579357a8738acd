// What clients bring of a task, checked against the job before any worker hears of it: the form and number
// of the inputs, the classes, the targets. And what a worker gives back, as clients read it. Pure.
import type { NamedArrays } from '../../learning/built.ts';
import type { ResolvedJob } from '../../learning/job.ts';
import { supportTensors } from '../../learning/request-inputs.ts';
import type { InputForm } from '../../learning/tasks.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { elementsOf } from '../../shared/tensor-codec.ts';
import { formsOf, type Predictions } from '../requests/request.ts';

/** Numbers as the job's tasks have them, row-major; or images or sentences. */
export type ModelInputs =
  | { readonly form: 'number'; readonly values: Float32Array }
  | { readonly form: InputForm; readonly items: readonly Uint8Array[] };

export interface SupportSet {
  readonly inputs: ModelInputs;
  /** Of a regression: row-major [examples, outputs]; else empty. */
  readonly targets: readonly number[];
  /** Of a classification: the class of each example; else empty. */
  readonly labels: readonly string[];
}

/** A support set that has been checked, and waits for its inputs as numbers. */
export interface CheckedSupport {
  readonly inputs: ModelInputs;
  /** In the order of the outputs; empty for a regression. */
  readonly classes: readonly string[];
  readonly examples: number;
  /** The task's tensors. @param numbers the inputs, row-major. */
  tensors(numbers: Float32Array): NamedArrays;
}

/** One query's prediction, as clients read it. */
export interface Prediction {
  readonly outputs: readonly number[];
  /** Of a classification. */
  readonly className?: string;
  readonly probabilities?: readonly number[];
}

/** In UTF-16 code units. */
const maxClassName = 200;

/** @param field its name in the request. @throws MetatrainError `REQUEST_INVALID` */
export function checkSupport(field: string, { inputs, targets, labels }: SupportSet, job: ResolvedJob): CheckedSupport {
  const { task } = job;
  const examples = checkInputs(`${field}.inputs`, inputs, job);
  const isDescribed = task.sets.includes('description');
  const names = supportTensors(task);
  const known = /^(support|stream)(Inputs|Targets)$|^descriptionInputs$/;
  const other = names.find((name) => !known.test(name));
  if (other !== undefined) throw invalid(field, `a job whose tasks have ${other}`, 'inputs with targets or labels');
  const nameOf = (what: 'Inputs' | 'Targets') => names.find((name) => name.endsWith(what));
  const withInputs = (numbers: Float32Array) => ({ [nameOf('Inputs')!]: numbers });
  if (task.target !== 'classes') {
    if (labels.length > 0)
      throw invalid(`${field}.labels`, `${labels.length} labels`, 'none: this job predicts values');
    const wanted = examples * task.outputs;
    if (targets.length !== wanted) {
      throw invalid(
        `${field}.targets`,
        `${targets.length} numbers`,
        `${wanted}, ${task.outputs} for each of ${examples} inputs`,
      );
    }
    mustBeFinite(`${field}.targets`, targets);
    const vector = Float32Array.from(targets);
    return {
      inputs,
      classes: [],
      examples,
      tensors: (numbers) => ({ ...withInputs(numbers), [nameOf('Targets')!]: vector }),
    };
  }
  if (targets.length > 0)
    throw invalid(`${field}.targets`, `${targets.length} numbers`, 'none: this job predicts classes, by labels');
  if (labels.length !== examples)
    throw invalid(`${field}.labels`, `${labels.length} labels`, `${examples}, one for each input`);
  const classes = checkClasses(`${field}.labels`, labels, task.outputs);
  if (isDescribed) {
    if (examples !== classes.length)
      throw invalid(`${field}.inputs`, `${examples} descriptions`, `${classes.length}, one for each class`);
    return { inputs, classes, examples, tensors: withInputs };
  }
  const oneHot = new Float32Array(examples * task.outputs);
  for (const [row, label] of labels.entries()) oneHot[row * task.outputs + classes.indexOf(label)] = 1;
  return {
    inputs,
    classes,
    examples,
    tensors: (numbers) => ({ ...withInputs(numbers), [nameOf('Targets')!]: oneHot }),
  };
}

function checkClasses(field: string, labels: readonly string[], ways: number): readonly string[] {
  const classes = [...new Set(labels)];
  const bad = classes.find((name) => name === '' || name.length > maxClassName);
  if (bad !== undefined) throw invalid(field, `a name of ${bad.length} characters`, `1 to ${maxClassName}`);
  if (classes.length === ways) return classes;
  throw invalid(field, `${classes.length} classes`, `${ways}, as the job's tasks have, each with an example`);
}

/** @returns how many there are. @throws MetatrainError `REQUEST_INVALID` */
export function checkInputs(field: string, inputs: ModelInputs, job: ResolvedJob): number {
  const accepted = formsOf(job);
  const { form } = inputs;
  if (!accepted.includes(form)) throw invalid(field, `${form}s`, accepted.map((one) => `${one}s`).join(' or '));
  if (inputs.form !== 'number') {
    const empty = inputs.items.findIndex(({ byteLength }) => byteLength === 0);
    if (empty >= 0) throw invalid(`${field}[${empty}]`, 'nothing', form === 'image' ? 'a PNG or a JPEG' : 'a sentence');
    if (inputs.items.length === 0) throw invalid(field, 'nothing', `at least one ${form}`);
    return inputs.items.length;
  }
  const { input } = job.task;
  const size = elementsOf(input);
  const count = inputs.values.length / size;
  if (!Number.isInteger(count) || count < 1) {
    const shape = input.length > 1 ? ` ([${input}])` : '';
    throw invalid(field, `${inputs.values.length} numbers`, `${size} for each input${shape}, at least one input`);
  }
  mustBeFinite(field, inputs.values);
  return count;
}

/** @param classes in the order of the outputs; empty for a regression. */
export function predictionsOf({ shape, outputs }: Predictions, classes: readonly string[]): Prediction[] {
  const [count = 0, width = 0] = shape;
  return Array.from({ length: count }, (_, row) => {
    const own = Array.from(outputs.subarray(row * width, (row + 1) * width));
    if (classes.length === 0) return { outputs: own };
    const largest = Math.max(...own);
    const weights = own.map((logit) => Math.exp(logit - largest));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const className = classes[own.indexOf(largest)]!;
    return { outputs: own, className, probabilities: weights.map((weight) => weight / total) };
  });
}

function mustBeFinite(field: string, values: Float32Array | readonly number[]): void {
  if (!values.every(Number.isFinite)) throw invalid(field, 'a NaN or an infinity', 'finite numbers');
}

export function invalid(field: string, got: string, accepted: string): MetatrainError {
  return new MetatrainError('REQUEST_INVALID', `${field}: got ${got}; accepted: ${accepted}`, { details: { field } });
}
