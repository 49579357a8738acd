// Run by webgpu.test.ts in a process of its own, because Vulkan's loader reads its environment once: meta-gradients on WebGPU and on the cpu,
// and whether each model runs on the device as a whole. Prints one JSON line for each model.

import { createEngine } from '../../../worker/engine/create.ts';
import type { TaskProgramOptions } from '../../../worker/engine/engine.ts';
import { loweringFor, lowerToOnnx } from '../../../worker/engine/onnx/lower.ts';
import { createSession } from '../../../worker/engine/onnx/session.ts';
import { optimize } from '../../../worker/engine/passes/pipeline.ts';
import { trace } from '../../../worker/engine/trace/trace.ts';
import { buildJob } from '../../../worker/learning/open.ts';
import { programOptions } from '../../../worker/learning/programs.ts';
import { fill } from '../../unit/engine/programs.ts';
import { jobOf } from '../../unit/learning/small-jobs.ts';

const taskCount = 2;

export interface WebGpuReport {
  readonly model: string;
  /** Of the meta-gradient, relative to its norm. */
  readonly difference: number;
  readonly norm: number;
  /** Empty, or why ONNX Runtime would compute a part of it on the cpu. */
  readonly onCpu: string;
}

const images = { distribution: 'omniglot', ways: 3, shots: 1, queries: 1 };
const points = { distribution: 'sinusoid', shots: 4, queries: 3 };

const cpu = await createEngine({ engine: 'compiled', device: 'cpu' });
const webgpu = await createEngine({ engine: 'compiled', device: 'webgpu' });
for (const [model, task, section] of [
  ['mlp', points, { architecture: 'mlp', hiddenLayers: [6], activation: 'tanh' }],
  ['conv4 stride', images, { architecture: 'conv4', filters: 3, downsampling: 'stride' }],
  ['conv4 max-pool', images, { architecture: 'conv4', filters: 3, downsampling: 'max-pool' }],
] as const) {
  const job = jobOf(task, section, { name: 'maml', innerSteps: 2, innerLearningRate: 0.1 });
  const program: TaskProgramOptions = programOptions(job, buildJob(job).functions.train!, { name: model, taskCount });
  const metaParams = fill(program.metaParams, { seed: 1 });
  const tasks = fill(program.task, { seed: 2, count: taskCount });
  const gradients: number[][] = [];
  for (const engine of [cpu, webgpu]) {
    const { sum } = await (await engine.compile(program)).run(metaParams, tasks);
    gradients.push(Object.keys(program.metaParams).flatMap((name) => [...sum[name]!]));
  }
  const [expected, actual] = gradients as [number[], number[]];
  const norm = Math.hypot(...expected);
  const difference = Math.hypot(...actual.map((value, index) => value - expected[index]!)) / norm;
  const report: WebGpuReport = { model, difference, norm, onCpu: await whyOnCpu(program) };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}
await webgpu.close();
await cpu.close();

async function whyOnCpu(program: TaskProgramOptions): Promise<string> {
  const { graph } = optimize(trace(program), program.taskCount);
  try {
    const options = { wholeOnDevice: true };
    await (await createSession(lowerToOnnx(graph, loweringFor('webgpu')), 'webgpu', options)).release();
    return '';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
