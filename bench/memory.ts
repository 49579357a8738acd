// The engine's memory: its prediction for a run of second-order MAML on conv4, and the measured
// memory of a separate process, with the inner loop kept and rematerialised. Measures the growth of
// the resident set from an open session to the peak of three runs (on Linux only).
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { layoutOf } from '../learning/job.ts';
import { readJob } from '../learning/job-file.ts';
import { taskRng } from '../shared/rng.ts';
import { viewsOf } from '../shared/tensor-codec.ts';
import { createCompiledEngine } from '../worker/engine/compiled.ts';
import { deviceFacts } from '../worker/engine/devices.ts';
import type { CompileReport } from '../worker/engine/engine.ts';
import { allocateTasks, initialParams } from '../worker/learning/arrays.ts';
import { buildJob } from '../worker/learning/open.ts';
import { programOptions } from '../worker/learning/programs.ts';

export interface MemoryCase {
  readonly innerSteps: number;
  readonly rematerialize: boolean;
  readonly filters: number;
  readonly shots: number;
  readonly queries: number;
}

export interface MemoryResult extends MemoryCase {
  readonly predictedMiB: number;
  readonly measuredMiB: number;
  /** The best of three runs. */
  readonly milliseconds: number;
}

const fewShot = { filters: 64, shots: 5, queries: 15 } as const;

const cases: readonly MemoryCase[] = [1, 5, 10].flatMap((innerSteps) =>
  [false, true].map((rematerialize) => ({ ...fewShot, innerSteps, rematerialize })),
);

export async function run(args: readonly string[]): Promise<unknown> {
  const { values } = parseArgs({ args: [...args], options: { one: { type: 'string' } } });
  if (values.one !== undefined) return measureHere(JSON.parse(values.one) as MemoryCase);
  return { benchmark: 'memory', node: process.version, results: cases.map(measureInChild) };
}

/** Measures in a new process, so that no earlier work has grown its memory. */
export function measureInChild(memoryCase: MemoryCase): MemoryResult {
  const main = fileURLToPath(new URL('./main.js', import.meta.url));
  const output = execFileSync(process.execPath, [main, 'memory', '--one', JSON.stringify(memoryCase)], {
    encoding: 'utf8',
  });
  return JSON.parse(output.trim().split('\n').at(-1)!) as MemoryResult;
}

async function measureHere(memoryCase: MemoryCase): Promise<MemoryResult> {
  const { innerSteps, rematerialize, filters, shots, queries } = memoryCase;
  const ways = 5;
  const job = readJob(
    JSON.stringify({
      name: 'memory',
      task: { distribution: 'omniglot', ways, shots, queries },
      model: { architecture: 'conv4', filters },
      algorithm: { name: 'maml', order: 'second', innerSteps, innerLearningRate: 0.1, rematerialize },
      meta: { iterations: 1, batchSize: 1 },
    }),
  );
  const layout = layoutOf(job.parameters);
  const reports: CompileReport[] = [];
  const engine = await createCompiledEngine({
    facts: deviceFacts('cpu'),
    onCompiled: (report) => reports.push(report),
  });
  const options = programOptions(job, buildJob(job).functions.train!, { name: 'memory', taskCount: 1 });
  const program = await engine.compile(options);
  const { stacked } = allocateTasks(job.task, 1);
  const { supportInputs, supportTargets, queryInputs, queryTargets } = stacked;
  const rng = taskRng(1, 'memory', 0);
  for (const inputs of [supportInputs!, queryInputs!]) for (let i = 0; i < inputs.length; i++) inputs[i] = rng.normal();
  for (const targets of [supportTargets!, queryTargets!])
    for (let example = 0; example < targets.length / ways; example++) targets[example * ways + (example % ways)] = 1;
  const metaParams = viewsOf(layout, initialParams(job.parameters, taskRng(1, 'initialize', 0)));
  const before = residentMiB('VmRSS');
  resetPeak();
  let milliseconds = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3; i++) {
    const startedAt = performance.now();
    await program.run(metaParams, stacked);
    milliseconds = Math.min(milliseconds, performance.now() - startedAt);
  }
  const measuredMiB = Math.round(residentMiB('VmHWM') - before);
  await engine.close();
  return {
    ...memoryCase,
    predictedMiB: Math.round(reports[0]!.peakBytes / 2 ** 20),
    measuredMiB,
    milliseconds: Math.round(milliseconds),
  };
}

function residentMiB(line: 'VmRSS' | 'VmHWM'): number {
  const kibibytes = new RegExp(`${line}:\\s*(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Number(kibibytes) / 1024;
}

/** Resets VmHWM to the present resident set. */
function resetPeak(): void {
  writeFileSync('/proc/self/clear_refs', '5');
}
