// A learner: a job file and its θ, which requests adapt and predict with. No data set is opened for it: the
// support set and the inputs come with the request. Programs are compiled at their first use, one for each
// number of examples and point of adaptation, and the oldest of them are freed.
import type { TaskFunction } from '../../learning/built.ts';
import { layoutOf, resolveJob } from '../../learning/job.ts';
import { after } from '../../learning/kit/sequence.ts';
import type { Registry } from '../../learning/registry.ts';
import { checkPoint, checkStateLayout, inputsShape, invalid, supportShapes } from '../../learning/request-inputs.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import { type ParamsLayout, viewsOf } from '../../shared/tensor-codec.ts';
import type { Engine, NamedArrays, TaskProgram, TensorSpecs } from '../engine/engine.ts';
import { specsOf } from './arrays.ts';
import type { AdaptedState, LearnerProgram } from './learner-program.ts';
import { buildJob } from './open.ts';

export interface LearnerDependencies {
  /** The parts that the job file may name. */
  readonly registry: Registry;
  /** Stays the caller's: closing the learner does not close it. */
  readonly engine: Engine;
}

/** Programs of one learner that are kept: as many kinds of request. */
const keptPrograms = 8;
const statePrefix = 'state.';

/** @throws MetatrainError `REQUEST_INVALID` when the model cannot do what the job file asks for. */
export function openLearner(spec: JobSpec, { registry, engine }: LearnerDependencies): LearnerProgram {
  const job = resolveJob(spec, registry);
  const { algorithm } = buildJob(job);
  const layout = layoutOf(job.parameters);
  const { points } = job.measures.evaluate[0]!;
  const programs = keptByKey(keptPrograms);
  const compile = (work: 'adapt' | 'predict', compute: TaskFunction, task: TensorSpecs) =>
    engine.compile({
      name: `${spec.algorithm.name} ${spec.model.architecture} ${work}`,
      taskFunction: (theta, tensors) => compute(theta, tensors, {}),
      metaParams: specsOf(job.parameters),
      task,
      taskCount: 1,
    });

  return {
    async adapt(metaParams, { support, point }) {
      checkPoint(point, points);
      const shapes = Object.entries(supportShapes(job.task, support)).map(([name, shape]) => ({ name, shape }));
      const program = await programs.get(JSON.stringify(['adapt', point, shapes]), () =>
        compile(
          'adapt',
          (theta, task) => ({ sum: {}, each: after(point + 1, algorithm.adapt(theta, task), theta) }),
          specsOf(shapes),
        ),
      );
      const { each } = await program.run(viewsOf(layout, metaParams), support);
      const adapted = flattened(stateLayout(program), each);
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
      const { each } = await program.run(viewsOf(layout, metaParams), { ...stateArrays, inputs });
      const outputs = each.outputs as Float32Array;
      return { shape: program.outputs.each.outputs!.shape.slice(1), outputs: finite(outputs, 'a prediction') };
    },
    close: () => programs.close(),
  };
}

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
