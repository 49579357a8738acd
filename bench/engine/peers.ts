// The programs that the engine's benchmark is compared with. Makes their Python environment, passes
// them the arrays, and lets each compute in turn. Without Python or its packages it says so and
// measures no peer.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { NamedArrays, TensorSpecs } from '../../worker/engine/engine.ts';
import type { WorkloadArrays } from './workloads.ts';

export const peerNames = ['torch-eager', 'torch-vmap', 'torch-compile', 'jax-jit', 'jax-vmap'] as const;
/** `jax-loop`: a whole training loop in one process, `loopSteps` meta-steps a run. */
export type PeerName = (typeof peerNames)[number] | 'jax-loop';
/** As in `jax_loop.py`. */
export const loopSteps = 500;

const peersFolder = join(packageRoot(), 'bench', 'peers');

const environment = join(peersFolder, '.venv');
const stamp = join(environment, 'requirements.txt');
const requirementsOf = () => readFileSync(join(peersFolder, 'requirements.txt'), 'utf8');

/**
 * A Python that has the peers' packages already: the one that `METATRAIN_PEERS_PYTHON` names, or
 * that of an earlier run.
 */
export function installedPython(): string | undefined {
  const given = process.env.METATRAIN_PEERS_PYTHON;
  if (given !== undefined) return given;
  const isInstalled = existsSync(stamp) && readFileSync(stamp, 'utf8') === requirementsOf();
  return isInstalled ? join(environment, 'bin', 'python') : undefined;
}

/** The Python that runs the peers, installed at need, or why there is none. */
export function peersPython(): { readonly python: string } | { readonly missing: string } {
  const installed = installedPython();
  if (installed !== undefined) return { python: installed };
  const [folder, python] = [environment, join(environment, 'bin', 'python')];
  try {
    execFileSync('python3', ['-m', 'venv', '--clear', folder], { stdio: ['ignore', 'ignore', 'pipe'] });
    process.stderr.write('bench: installing the peers (PyTorch, JAX) into bench/peers/.venv\n');
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', '-r', join(peersFolder, 'requirements.txt')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    writeFileSync(stamp, requirementsOf());
    return { python };
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n').slice(0, 3).join(' ') : String(error);
    return { missing: `no Python environment for the peers: ${reason}` };
  }
}

function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

/** Writes a workload and its arrays for the peers; `remove` deletes them. */
export function shareWorkload(
  workload: { readonly tasks: number },
  arrays: WorkloadArrays,
): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'metatrain-bench-'));
  mkdirSync(folder, { recursive: true });
  const share = (arrays: NamedArrays, specs: TensorSpecs, leading: number[]) =>
    Object.fromEntries(
      Object.entries(specs).map(([name, { shape, dtype }]) => {
        const array = arrays[name]!;
        writeFileSync(join(folder, `${name}.bin`), new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
        return [name, { shape: [...leading, ...shape], dtype }];
      }),
    );
  const params = share(arrays.params, arrays.paramSpecs, []);
  const tasks = share(arrays.tasks, arrays.taskSpecs, [workload.tasks]);
  writeFileSync(join(folder, 'workload.json'), JSON.stringify({ ...workload, params, taskArrays: tasks }));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export interface PeerStart {
  /** The sum over the tasks. */
  readonly loss: number;
  /** Euclidean length of each parameter's gradient: no layout of a tensor changes it. */
  readonly gradientNorms: Readonly<Record<string, number>>;
  readonly firstSeconds: number;
}

export interface MeasuredRuns {
  readonly milliseconds: readonly number[];
  readonly processorMs: number;
}

export interface Peer {
  readonly name: PeerName;
  readonly start: PeerStart;
  /**
   * Computes for about so many seconds.
   *
   * @returns milliseconds per task of each run, and the processor's of all runs together.
   */
  measure(seconds: number): Promise<MeasuredRuns>;
  close(): void;
}

/**
 * Starts one peer on a shared workload.
 *
 * @throws with its stderr when it does not compute a first result.
 */
export async function startPeer(python: string, name: PeerName, folder: string): Promise<Peer> {
  const child = spawn(python, [join(peersFolder, 'measure.py'), folder, name], { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (data: Buffer) => {
    complaint = (complaint + data.toString()).slice(-4000);
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<Record<string, unknown>> => {
    const line = await lines.next();
    if (line.done === true) throw new Error(`${name} ended: ${complaint.trim().split('\n').slice(-3).join(' | ')}`);
    return JSON.parse(line.value) as Record<string, unknown>;
  };
  const start = (await next()) as unknown as PeerStart;
  return {
    name,
    start,
    measure: async (seconds) => {
      child.stdin.write(`${seconds}\n`);
      return (await next()) as unknown as MeasuredRuns;
    },
    close: () => {
      child.stdin.end();
    },
  };
}
