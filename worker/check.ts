// `metatrain worker --check`: does this engine on this device give the gradients of the compiled engine on the cpu, and how fast? Second-order
// meta-gradients of a small conv4 and of the sinusoid's MLP, with the worker's own algorithms and models, on data drawn here.
import { MetatrainError } from '../shared/errors.ts';
import { conv4Model, type ModelSpec } from '../shared/job-spec/model.ts';
import type { TaskShape } from '../shared/job-spec/task-shape.ts';
import { taskRng } from '../shared/rng.ts';
import { viewsOf } from '../shared/tensor-codec.ts';
import { createEngine, type EngineOptions } from './engine/create.ts';
import type { DeviceFacts } from './engine/devices.ts';
import type { Engine, NamedArrays, TaskProgram, TaskProgramOptions } from './engine/engine.ts';
import { learnerOf } from './learning/algorithms/learner.ts';
import { buildAlgorithm } from './learning/algorithms/registry.ts';
import { initialParams, layoutOf } from './learning/models/model.ts';
import { buildModel } from './learning/models/registry.ts';
import { allocateTasks, taskTensors } from './learning/tasks/distribution.ts';

export interface ProgramCheck {
  readonly name: string;
  readonly passed: boolean;
  /** Of the meta-gradient: the norm of the difference over the reference's norm. */
  readonly difference: number;
  /** From the task function to the first result: tracing, compiling, and the device's own preparation. */
  readonly firstResultSeconds: number;
  readonly tasksPerSecond: number;
  readonly referenceTasksPerSecond: number;
}

export interface EngineCheck {
  readonly passed: boolean;
  readonly engine: string;
  readonly device: DeviceFacts;
  readonly fingerprint: string;
  readonly referenceFingerprint: string;
  readonly tolerance: number;
  readonly programs: readonly ProgramCheck[];
}

/** Relative. float32 carries 6e-8, and two inner steps through batch norm make some 1e-6 of it; a wrong kernel or TF32 makes 1e-3 and more. */
const tolerance = 1e-4;
const seed = 1;
const taskCount = 4;

/** What is timed of both engines, after a first run that is not: at most so many runs, and no new one after so long. */
export interface CheckTiming {
  readonly runs: number;
  readonly milliseconds: number;
}

const usualTiming: CheckTiming = { runs: 50, milliseconds: 3_000 };

interface CheckedProgram {
  readonly name: string;
  readonly options: TaskProgramOptions;
  readonly metaParams: NamedArrays;
  readonly tasks: NamedArrays;
}

/** @throws MetatrainError `DEVICE_MISSING` when there is nothing to check, with the reason and what to do. */
export async function checkEngine(options: EngineOptions): Promise<EngineCheck> {
  const engine = await createEngine(options);
  const reference = await createEngine({ engine: 'compiled', device: 'cpu' });
  try {
    const programs = await compareEngines(engine, reference, usualTiming);
    return {
      passed: programs.every(({ passed }) => passed),
      engine: options.engine,
      device: options.facts ?? { kind: options.device, name: '', memoryBytes: 0, driver: '' },
      fingerprint: engine.fingerprint,
      referenceFingerprint: reference.fingerprint,
      tolerance,
      programs,
    };
  } finally {
    await engine.close();
    await reference.close();
  }
}

/** The engines stay the caller's. */
export async function compareEngines(engine: Engine, reference: Engine, timing: CheckTiming): Promise<ProgramCheck[]> {
  const programs: ProgramCheck[] = [];
  for (const program of checkedPrograms()) programs.push(await compare(program, engine, reference, timing));
  return programs;
}

async function compare(
  program: CheckedProgram,
  engine: Engine,
  reference: Engine,
  timing: CheckTiming,
): Promise<ProgramCheck> {
  const expected = await Contestant.prepare(program, reference);
  const actual = await Contestant.prepare(program, engine);
  try {
    // In turns, so that a machine with other work slows both alike; and of each the fastest run, which other work disturbs least.
    const startedAt = performance.now();
    let runs = 0;
    do {
      await expected.run();
      await actual.run();
      runs += 1;
    } while (runs < timing.runs && performance.now() - startedAt < timing.milliseconds);
  } finally {
    await expected.program.dispose();
    await actual.program.dispose();
  }
  const difference = relativeDifference(actual.metaGradient, expected.metaGradient);
  return {
    name: program.name,
    // written so that a NaN does not pass
    passed: difference <= tolerance,
    difference,
    firstResultSeconds: actual.firstResultSeconds,
    tasksPerSecond: (1000 * taskCount) / actual.bestMs,
    referenceTasksPerSecond: (1000 * taskCount) / expected.bestMs,
  };
}

/** One engine's program, whose first result is there. */
class Contestant {
  readonly program: TaskProgram;
  readonly firstResultSeconds: number;
  metaGradient: readonly number[] = [];
  bestMs = Number.POSITIVE_INFINITY;
  readonly #checked: CheckedProgram;

  private constructor(checked: CheckedProgram, program: TaskProgram, firstResultSeconds: number) {
    this.#checked = checked;
    this.program = program;
    this.firstResultSeconds = firstResultSeconds;
  }

  static async prepare(checked: CheckedProgram, engine: Engine): Promise<Contestant> {
    const startedAt = performance.now();
    const program = await engine.compile(checked.options);
    await program.run(checked.metaParams, checked.tasks);
    return new Contestant(checked, program, (performance.now() - startedAt) / 1000);
  }

  async run(): Promise<void> {
    const { options, metaParams, tasks } = this.#checked;
    const startedAt = performance.now();
    const { sum } = await this.program.run(metaParams, tasks);
    this.bestMs = Math.min(this.bestMs, performance.now() - startedAt);
    this.metaGradient = Object.keys(options.metaParams).flatMap((name) => [...sum[name]!]);
  }
}

function relativeDifference(actual: readonly number[], expected: readonly number[]): number {
  const scale = Math.hypot(...expected);
  if (!(scale > 0)) throw new MetatrainError('INTERNAL', `the reference's meta-gradient has the norm ${scale}`);
  return Math.hypot(...actual.map((value, index) => value - expected[index]!)) / scale;
}

function checkedPrograms(): CheckedProgram[] {
  const sinusoid: TaskShape = { kind: 'regression', input: [1], outputs: 1, supportExamples: 10, queryExamples: 10 };
  const images: TaskShape = {
    kind: 'classification',
    input: [28, 28, 1],
    outputs: 5,
    supportExamples: 5,
    queryExamples: 10,
  };
  return [
    describe('MLP 1-40-40-1', sinusoid, {
      architecture: 'mlp',
      hiddenLayers: [40, 40],
      activation: 'relu',
      initialization: 'he',
    }),
    describe('conv4, 8 filters', images, conv4Model.parse({ architecture: 'conv4', filters: 8 })),
  ];
}

function describe(model: string, shape: TaskShape, spec: ModelSpec): CheckedProgram {
  const built = buildModel(spec, shape);
  const layout = layoutOf(built);
  const order = {
    name: 'maml',
    order: 'second',
    innerSteps: 2,
    innerLearningRate: 0.05,
    rematerialize: false,
  } as const;
  const { train } = buildAlgorithm(order, learnerOf(built, shape));
  return {
    name: `second-order MAML, ${order.innerSteps} inner steps, ${model}`,
    options: {
      name: `check ${model}`,
      taskFunction: train,
      metaParams: Object.fromEntries(
        layout.tensors.map((tensor) => [tensor.name, { shape: tensor.shape, dtype: 'float32' }]),
      ),
      task: taskTensors(shape),
      taskCount,
    },
    metaParams: viewsOf(layout, initialParams(built, taskRng(seed, 'initialize', 0))),
    tasks: drawTasks(shape),
  };
}

/** Sine waves for a regression; for classes, an image of noise each, and more noise on every example. */
function drawTasks(shape: TaskShape): NamedArrays {
  const { stacked, task } = allocateTasks(shape, taskCount);
  for (let index = 0; index < taskCount; index++) {
    const rng = taskRng(seed, 'check', index);
    const [amplitude, phase] = [rng.between(0.1, 5), rng.between(0, Math.PI)];
    const size = shape.input.reduce((a, b) => a * b, 1);
    const classes = Array.from({ length: shape.outputs }, () =>
      Float32Array.from({ length: size }, () => rng.normal()),
    );
    const { supportInputs, supportTargets, queryInputs, queryTargets } = task(index);
    for (const [inputs, targets] of [
      [supportInputs, supportTargets],
      [queryInputs, queryTargets],
    ] as const) {
      for (let example = 0; example * shape.outputs < targets.length; example++) {
        if (shape.kind === 'regression') {
          const x = rng.between(-5, 5);
          inputs[example] = x;
          targets[example] = amplitude * Math.sin(x - phase);
        } else {
          const label = example % shape.outputs;
          targets.set(
            classes.map((_, at) => (at === label ? 1 : 0)),
            example * shape.outputs,
          );
          inputs.set(
            classes[label]!.map((value) => value + 0.3 * rng.normal()),
            example * size,
          );
        }
      }
    }
  }
  return stacked;
}

/** For people. */
export function renderCheck({
  passed,
  fingerprint,
  referenceFingerprint,
  device,
  programs,
  ...check
}: EngineCheck): string {
  const facts = [device.name, device.driver].filter((fact) => fact !== '').join(', ');
  const rate = (value: number) => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));
  return [
    `engine      ${check.engine} on ${device.kind}${facts && ` (${facts})`}`,
    `            ${fingerprint}`,
    `reference   ${referenceFingerprint}`,
    ...programs.flatMap((program) => [
      '',
      program.name,
      `  difference  ${program.difference.toExponential(1)} of the meta-gradient's norm, tolerance ${check.tolerance}: ${program.passed ? 'ok' : 'TOO LARGE'}`,
      `  speed       ${rate(program.tasksPerSecond)} tasks/s, reference ${rate(program.referenceTasksPerSecond)}: ${(program.tasksPerSecond / program.referenceTasksPerSecond).toPrecision(2)} times as fast`,
      `  first result after ${program.firstResultSeconds.toFixed(1)} s`,
    ]),
    '',
    passed ? 'The gradients agree.' : 'The gradients DIFFER: do not train on this device.',
  ].join('\n');
}
