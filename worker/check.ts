// `metatrain worker --check`: compares an engine on a device with the compiled engine on the CPU:
// are the gradients equal, and how fast is it? Computes second-order meta-gradients of a small
// conv4 and of the sinusoid's MLP, with the worker's own algorithms and models, on random data.
import type { TaskFacts } from '../learning/facts.ts';
import { layoutOf } from '../learning/job.ts';
import { readJob } from '../learning/job-file.ts';
import { builtIn } from '../learning/registry.ts';
import { MetatrainError } from '../shared/errors.ts';
import { taskRng } from '../shared/rng.ts';
import { elementsOf, viewsOf } from '../shared/tensor-codec.ts';
import { createEngine, type EngineOptions } from './engine/create.ts';
import type { DeviceFacts } from './engine/devices.ts';
import type { Engine, NamedArrays, TaskProgram, TaskProgramOptions } from './engine/engine.ts';
import { allocateTasks, initialParams } from './learning/arrays.ts';
import { buildJob } from './learning/open.ts';
import { programOptions } from './learning/programs.ts';

export interface ProgramCheck {
  readonly name: string;
  readonly passed: boolean;
  /** Error of the meta-gradient: the norm of the difference, relative to the reference's norm. */
  readonly difference: number;
  /** From the task function to the first result: tracing, compiling, and preparing the device. */
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

/**
 * Relative. float32 has an error of 6e-8, which two inner steps through batch norm raise to about
 * 1e-6. A wrong kernel or TF32 gives 1e-3 or more.
 */
const tolerance = 1e-4;
const seed = 1;
const taskCount = 4;

/**
 * Limits of timing one engine after an untimed first run: a number of runs, and a time after which
 * no run begins.
 */
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

/**
 * @throws MetatrainError `DEVICE_MISSING` with the reason and a remedy when there is nothing to
 *   check.
 */
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

/** Does not close the engines. */
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
    // In turns, so that other load slows both alike. Uses the fastest run of each, which other load
    // disturbs least.
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
    // written so that a NaN fails
    passed: difference <= tolerance,
    difference,
    firstResultSeconds: actual.firstResultSeconds,
    tasksPerSecond: (1000 * taskCount) / actual.bestMs,
    referenceTasksPerSecond: (1000 * taskCount) / expected.bestMs,
  };
}

/** One engine's program, after its first result. */
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
  const sinusoid = { distribution: 'sinusoid', shots: 10 };
  const images = { distribution: 'omniglot', ways: 5, shots: 1, queries: 2 };
  return [
    describe('MLP 1-40-40-1', sinusoid, { architecture: 'mlp' }),
    describe('conv4, 8 filters', images, { architecture: 'conv4', filters: 8 }),
  ];
}

/** Only the shapes of the tasks matter: the data is random. */
function describe(name: string, task: object, model: object): CheckedProgram {
  const innerSteps = 2;
  const algorithm = { name: 'maml', order: 'second', innerSteps, innerLearningRate: 0.05 };
  const job = readJob(JSON.stringify({ name: 'check', task, model, algorithm, meta: { iterations: 1 } }), builtIn);
  const { train } = buildJob(job).functions;
  return {
    name: `second-order MAML, ${innerSteps} inner steps, ${name}`,
    options: programOptions(job, train!, { name: `check ${name}`, taskCount }),
    metaParams: viewsOf(layoutOf(job.parameters), initialParams(job.parameters, taskRng(seed, 'initialize', 0))),
    tasks: drawTasks(job.task),
  };
}

/**
 * Sine waves for a regression. For classification: a noise image for each class, and more noise on
 * each example.
 */
function drawTasks(shape: TaskFacts): NamedArrays {
  const { stacked, task } = allocateTasks(shape, taskCount);
  for (let index = 0; index < taskCount; index++) {
    const rng = taskRng(seed, 'check', index);
    const [amplitude, phase] = [rng.between(0.1, 5), rng.between(0, Math.PI)];
    const size = elementsOf(shape.input);
    const classes = Array.from({ length: shape.outputs }, () =>
      Float32Array.from({ length: size }, () => rng.normal()),
    );
    const { supportInputs, supportTargets, queryInputs, queryTargets } = task(index);
    for (const [inputs, targets] of [
      [supportInputs!, supportTargets!],
      [queryInputs!, queryTargets!],
    ] as const) {
      for (let example = 0; example * shape.outputs < targets.length; example++) {
        if (shape.target === 'values') {
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

/** The result as text. */
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
