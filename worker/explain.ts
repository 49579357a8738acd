// `metatrain worker --explain JOB.yaml`: reports how the engine compiles a job's programs, without
// a coordinator: nodes before and after each pass, replacements by each family of rules, memory,
// arithmetic, and the time of tracing and of making sessions. Compiles, but runs no task.
import { readFileSync } from 'node:fs';
import { parseJobSpec } from '../learning/job-file.ts';
import type { Registry } from '../learning/registry.ts';
import { MetatrainError } from '../shared/errors.ts';
import type { JobSpec } from '../shared/job-spec/index.ts';
import { createEngine, type EngineOptions } from './engine/create.ts';
import type { CompileReport, Engine, EngineStatistics } from './engine/engine.ts';
import { printGraph } from './engine/graph/print.ts';
import type { PassReport } from './engine/passes/pipeline.ts';
import { planProgram } from './engine/plan.ts';
import { mebibytes, SessionCache } from './engine/session-cache.ts';
import type { TracedGraph } from './engine/trace/trace.ts';
import { openJobProgram, programWorks } from './learning/open.ts';

export interface ExplainRequest {
  /** The parts that the job file may name. */
  readonly registry: Registry;
  readonly file: string;
  /** `path.to.field` and its YAML value, in order. */
  readonly overrides: readonly (readonly [path: string, value: string])[];
  readonly dataDirectories: readonly string[];
  /** Memory limit of one compute thread. */
  readonly memoryLimitBytes: number;
  /** The engine of the worker. */
  readonly engine: EngineOptions;
}

export interface ProgramExplanation extends CompileReport {
  readonly recorded: TracedGraph['recorded'];
  readonly passes: readonly PassReport[];
  /** The graph of a run as text. */
  readonly graph: string;
}

export interface JobExplanation {
  readonly programs: readonly ProgramExplanation[];
  readonly statistics: EngineStatistics;
}

/** @throws MetatrainError as opening the job and compiling its programs do. */
export async function explainJob(request: ExplainRequest): Promise<JobExplanation> {
  const spec = parseJobSpec(readJobFile(request.file), request.overrides, request.registry);
  if (request.engine.engine !== 'compiled') {
    throw new MetatrainError(
      'REQUEST_INVALID',
      `--engine: got ${request.engine.engine}; accepted with --explain: compiled, the engine that has passes`,
    );
  }
  const reports: CompileReport[] = [];
  const engine = await createEngine(request.engine, {
    sessions: new SessionCache(request),
    onCompiled: (report) => reports.push(report),
  });
  const programs: ProgramExplanation[] = [];
  const explaining: Engine = {
    fingerprint: engine.fingerprint,
    statistics: engine.statistics,
    close: engine.close,
    async compile(program) {
      const { traced, passes, graph } = planProgram(program, { device: request.engine.device });
      const compiled = await engine.compile(program);
      programs.push({ ...reports.at(-1)!, recorded: traced.recorded, passes, graph: printGraph(graph) });
      return compiled;
    },
  };
  try {
    const job = await openJobProgram(spec, { ...request, engine: explaining });
    for (const work of programWorks) {
      for (const taskCount of shardSizes(spec, work)) await job.prepare(work, taskCount);
    }
    return { programs, statistics: engine.statistics };
  } finally {
    await engine.close();
  }
}

/** Sizes of the whole shards, and of the last one if the tasks do not divide evenly. */
function shardSizes(spec: JobSpec, work: (typeof programWorks)[number]): number[] {
  const tasks = work === 'train' ? spec.meta.batchSize : spec.evaluation.tasks;
  const whole = Math.min(spec.placement.shardSize, tasks);
  const rest = tasks % whole;
  return rest === 0 ? [whole] : [whole, rest];
}

function readJobFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new MetatrainError('REQUEST_INVALID', `cannot read the job file ${file}: ${reason}`, {
      details: { file },
      cause,
    });
  }
}

export function renderExplanation(
  { programs, statistics }: JobExplanation,
  options: { readonly print: boolean },
): string {
  const { sessionsCreated, sessionsShared } = statistics;
  const sessions = `${sessionsCreated} session${sessionsCreated === 1 ? '' : 's'} created, ${sessionsShared} shared`;
  return `${[...programs.map((program) => renderProgram(program, options.print)), sessions].join('\n\n')}\n`;
}

function renderProgram(program: ProgramExplanation, isPrinted: boolean): string {
  const { made, distinct, live } = program.recorded;
  const runs = program.taskCount / program.tasksPerRun;
  const lines = [
    `${program.program}, ${tasks(program.taskCount)} a shard`,
    `  traced    ${made} operators, ${live} nodes (${made - distinct} common subexpressions, ${distinct - live} dead)`,
    ...program.passes.map((pass) => `  ${passLine(pass)}`),
    `  a run     ${tasks(program.tasksPerRun)}, ${runs === 1 ? 'all of the shard' : `${runs} runs a shard`}; ${program.nodes} nodes, ${(program.arithmetic / 1e9).toPrecision(3)} GFLOP, predicted peak ${mebibytes(program.peakBytes)}; ${executors[program.executor]}`,
    `  time      trace ${seconds(program.traceMs)}, passes ${seconds(program.optimizeMs)}, session ${seconds(program.sessionMs)}`,
  ];
  if (isPrinted) lines.push('', program.graph.trimEnd());
  return lines.join('\n');
}

function passLine({ name, nodesBefore, nodesAfter, applied }: PassReport): string {
  const rules = Object.entries(applied).filter(([, times]) => times > 0);
  const replaced = rules.map(([family, times]) => `${family} ${times}`).join(', ');
  const counts = `${String(nodesBefore).padStart(6)} → ${String(nodesAfter).padEnd(6)}`;
  return `${name.padEnd(24)}${counts}${replaced === '' ? '' : ` replaced: ${replaced}`}`.trimEnd();
}

const executors = { onnx: 'one ONNX model', fused: 'the fused executor' } as const;

const tasks = (count: number) => `${count} task${count === 1 ? '' : 's'}`;

const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(2)} s`;
