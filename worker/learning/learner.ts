// A learner: a job file and its θ, which requests adapt and predict with. The support set and the
// inputs come with the request; a data set is opened only to read sentences by the table of tokens
// that it makes. Programs are compiled at their first use, one for each number of examples and
// point of adaptation, and the oldest of them are freed.
import type { NamedArrays as FloatArrays, LoopedAdaptation, TaskFunction } from '../../learning/built.ts';
import { layoutOf, resolveJob } from '../../learning/job.ts';
import { isLooped, statesOf } from '../../learning/kit/evaluate.ts';
import { withoutPrefix, withPrefix } from '../../learning/kit/prefix.ts';
import { after } from '../../learning/kit/sequence.ts';
import { examplesOf } from '../../learning/kit/stream.ts';
import type { Registry } from '../../learning/registry.ts';
import { checkPoint, checkStateLayout, inputsShape, invalid, supportShapes } from '../../learning/request-inputs.ts';
import { stepInputShapes, stepInputs } from '../../learning/step-inputs.ts';
import type { InputEncoder, InputForm } from '../../learning/tasks.ts';
import type { DataIdentity } from '../../shared/data-identity.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import { elementsOf, type ParamsLayout, viewsOf } from '../../shared/tensor-codec.ts';
import type { Engine, NamedArrays, TaskProgram, TensorSpecs } from '../engine/engine.ts';
import { specsOf } from './arrays.ts';
import { taskIo } from './io.ts';
import type { AdaptedState, LearnerProgram } from './learner-program.ts';
import { buildJob } from './open.ts';
import { programOptions, shapeSpecs, sharedInputs } from './programs.ts';

export interface LearnerDependencies {
  /** The parts that the job file may name. */
  readonly registry: Registry;
  /** Stays the caller's: closing the learner does not close it. */
  readonly engine: Engine;
  /** Searched for the data set that a table of tokens is made of, in order. Default: nowhere. */
  readonly dataDirectories?: readonly string[];
  /** What θ was trained with. Default, or empty: any will do. */
  readonly expectedData?: readonly DataIdentity[];
}

/** Programs of one learner that are kept: as many kinds of request. */
const keptPrograms = 8;

/** The task's tensors of the start and of each step, whose shapes are the same. */
interface LoopedRequest {
  readonly begin: NamedArrays;
  readonly steps: readonly NamedArrays[];
  readonly specs: TensorSpecs;
}

const statePrefix = 'state.';

/** @throws MetatrainError `REQUEST_INVALID` when the model cannot do what the job file asks for. */
export function openLearner(
  spec: JobSpec,
  { registry, engine, dataDirectories = [], expectedData = [] }: LearnerDependencies,
): LearnerProgram {
  const job = resolveJob(spec, registry);
  const { algorithm } = buildJob(job);
  const layout = layoutOf(job.parameters);
  const { points } = job.measures.evaluate[0]!;
  const programs = keptByKey(keptPrograms);
  let encoder: Promise<InputEncoder> | undefined;
  const openEncoder = (): Promise<InputEncoder> => {
    const { distribution, section } = job.trained;
    const opened = distribution.encoder?.(
      section,
      taskIo({ seed: spec.seed, dataDirectories, usedSplits: ['train'], expectedData }),
    );
    if (opened) return opened;
    throw invalid('inputs', 'images or texts', `numbers, since ${distribution.title} tells of no other form`);
  };
  // θ is that of a job at its end, and so are the inputs that the meta-step gives the programs.
  const step = stepInputs(job, stepInputShapes(job), spec.meta.iterations);
  const compile = (work: string, compute: TaskFunction, task: TensorSpecs) => {
    const name = `${spec.algorithm.name} ${spec.model.architecture} ${work}`;
    return engine.compile(programOptions(job, compute, { name, taskCount: 1, task }));
  };
  const shared = (metaParams: Float32Array) => sharedInputs(viewsOf(layout, metaParams), step);

  /** The states up to the point in one program. */
  const adaptTraced = async (metaParams: Float32Array, support: NamedArrays, specs: TensorSpecs, point: number) => {
    const compute: TaskFunction = (theta, task, step) => ({
      sum: {},
      each: after(point + 1, statesOf(algorithm.adapt, theta, task, step), theta),
    });
    const key = JSON.stringify(['adapt', point, specs]);
    const program = await programs.get(key, () => compile('adapt', compute, specs));
    const { each } = await program.run(shared(metaParams), support);
    return flattened(stateLayout(program), each);
  };

  /**
   * One program for the start and one for a step, which is called with the task's tensors of each
   * step in turn.
   */
  const adaptLooped = async (
    adapt: LoopedAdaptation,
    metaParams: Float32Array,
    { begin, steps, specs }: LoopedRequest,
  ) => {
    const start: TaskFunction = (theta, task, step) => ({ sum: {}, each: adapt.start(theta, task, step) });
    const next: TaskFunction = (theta, task, step) => ({
      sum: {},
      each: adapt.next(theta, withoutPrefix(statePrefix, task), task, step),
    });
    const first = await programs.get(JSON.stringify(['start', specs]), () => compile('adapt start', start, specs));
    const state = stateLayout(first);
    let { each } = await first.run(shared(metaParams), begin);
    for (const support of steps) {
      const task = { ...specs, ...withPrefix(statePrefix, specsOf(state.tensors)) };
      const program = await programs.get(JSON.stringify(['next', task]), () => compile('adapt step', next, task));
      ({ each } = await program.run(shared(metaParams), { ...support, ...withPrefix(statePrefix, each) }));
    }
    return flattened(state, each);
  };

  /** A sequence is read to its end, an example a step. */
  const streamRequest = (support: FloatArrays, length: number, point: number): LoopedRequest => {
    if (point < points.length - 1)
      throw invalid('point', String(point), `${points.length - 1}: a sequence is read to its end`);
    const example = (begin: number) => examplesOf(support, { begin, count: 1, length, taskCount: 1 });
    const { input, outputs } = job.task;
    return {
      begin: example(0),
      steps: Array.from({ length }, (_, at) => example(at)),
      specs: shapeSpecs({ streamInputs: { shape: [1, ...input] }, streamTargets: { shape: [1, outputs] } }),
    };
  };

  return {
    async adapt(metaParams, { support, point }) {
      checkPoint(point, points);
      const shapes = supportShapes(job.task, support);
      const specs = specsOf(Object.entries(shapes).map(([name, shape]) => ({ name, shape })));
      const looped = (): LoopedRequest =>
        shapes.streamInputs
          ? streamRequest(support, shapes.streamInputs[0]!, point)
          : { begin: support, steps: new Array<NamedArrays>(point).fill(support), specs };
      const adapted = isLooped(algorithm.adapt)
        ? await adaptLooped(algorithm.adapt, metaParams, looped())
        : await adaptTraced(metaParams, support, specs, point);
      return { ...adapted, state: finite(adapted.state, 'the adapted state') };
    },
    async predict(metaParams, { adapted, inputs }) {
      checkStateLayout(adapted.layout, adapted.state.length);
      const shape = inputsShape(job.task, inputs);
      const { tensors } = adapted.layout;
      const state = tensors.map(({ name, shape }) => ({ name: `${statePrefix}${name}`, shape }));
      const program = await programs.get(JSON.stringify(['predict', shape, tensors]), async () => {
        const predict: TaskFunction = (theta, { inputs, ...prefixed }) => {
          const state = Object.fromEntries(tensors.map(({ name }) => [name, prefixed[`${statePrefix}${name}`]!]));
          return { sum: {}, each: { outputs: algorithm.predict(theta, state, inputs!) } };
        };
        try {
          return await compile('predict', predict, specsOf([{ name: 'inputs', shape }, ...state]));
        } catch (cause) {
          if (!(cause instanceof MetatrainError && cause.code === 'REQUEST_INVALID')) throw cause;
          const got = tensors.map(({ name, shape }) => `${name} [${shape}]`).join(', ') || 'nothing';
          throw invalid('state', got, `what adapting gives for this job file (${cause.message})`);
        }
      });
      const stateArrays = viewsOf({ tensors: state }, adapted.state);
      const { each } = await program.run(shared(metaParams), { ...stateArrays, inputs });
      const outputs = each.outputs as Float32Array;
      return { shape: program.outputs.each.outputs!.shape.slice(1), outputs: finite(outputs, 'a prediction') };
    },
    async encode({ form, items }) {
      encoder ??= openEncoder();
      encoder.catch(() => {
        encoder = undefined;
      });
      const opened = await encoder;
      if (opened.form !== form) throw invalid('inputs', `${form}s`, `${opened.form}s`);
      const { input } = job.task;
      const size = elementsOf(input);
      const values = new Float32Array(items.length * size);
      for (const [at, item] of items.entries()) {
        let numbers: Float32Array;
        try {
          numbers = await opened.encode(item);
        } catch (cause) {
          const why = cause instanceof Error ? cause.message : String(cause);
          throw invalid(
            `inputs[${at}]`,
            `${form === 'image' ? 'a file' : 'a sentence'} that cannot be read: ${why}`,
            encodable[form],
          );
        }
        values.set(numbers, at * size);
      }
      return { shape: [items.length, ...input], values };
    },
    close: () => programs.close(),
  };
}

const encodable: Readonly<Record<InputForm, string>> = { image: 'a PNG or a JPEG', text: 'a sentence in UTF-8' };

/** Of what an adapt program returns: its tensors one after another, as the program names them. */
function stateLayout({ outputs }: TaskProgram): ParamsLayout {
  const tensors = Object.entries(outputs.each).map(([name, { shape, dtype }]) => {
    if (dtype === 'float32') return { name, shape: shape.slice(1) };
    throw new MetatrainError('REQUEST_INVALID', `state.${name}: got ${dtype}; accepted: float32`);
  });
  return { tensors };
}

function flattened(layout: ParamsLayout, tensors: NamedArrays): AdaptedState {
  const parts = layout.tensors.map(({ name }) => tensors[name]!);
  const state = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  for (const [name, view] of Object.entries(viewsOf(layout, state))) view.set(tensors[name]!);
  return { layout, state };
}

function finite(values: Float32Array, what: string): Float32Array {
  if (values.every(Number.isFinite)) return values;
  const message = `${what} holds a NaN or an infinity; a smaller algorithm.innerLearningRate may help`;
  throw new MetatrainError('RESULT_NOT_FINITE', message);
}

/** Programs by what they are compiled for, the newest `kept`; one that failed is tried again. */
function keptByKey(kept: number) {
  const programs = new Map<string, TaskProgram>();
  return {
    async get(key: string, compile: () => Promise<TaskProgram>): Promise<TaskProgram> {
      const program = programs.get(key) ?? (await compile());
      programs.delete(key);
      programs.set(key, program);
      for (const [oldest, unused] of programs) {
        if (programs.size <= kept) break;
        programs.delete(oldest);
        await unused.dispose();
      }
      return program;
    },
    async close(): Promise<void> {
      const open = [...programs.values()];
      programs.clear();
      for (const program of open) await program.dispose();
    },
  };
}
