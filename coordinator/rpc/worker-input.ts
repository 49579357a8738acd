// What a worker says, checked and bounded before anything is done with it: proto3 promises no field,
// and a worker may be anybody's program.
import { MetatrainError } from '../../shared/errors.ts';
import { boundText, maxWorkerTextBytes } from '../../shared/foreign-text.ts';
import type { Hello__Output } from '../../shared/gen/metatrain/v1/Hello.ts';
import type { ResultsHeld__Output } from '../../shared/gen/metatrain/v1/ResultsHeld.ts';
import type { ShardFailure__Output } from '../../shared/gen/metatrain/v1/ShardFailure.ts';
import type { ShardProgress__Output } from '../../shared/gen/metatrain/v1/ShardProgress.ts';
import { maxPluginName, maxPlugins } from '../../shared/plugin-identity.ts';
import { protocolVersion } from '../../shared/wire.ts';
import type { HeldShard, ShardProgress } from '../core/event.ts';
import { workKinds } from '../core/state.ts';
import type { WorkerDevice } from '../workers/worker-link.ts';

/** Slots of a worker, at most. */
export const maxSlots = 1_024;
const maxHeldResults = 256;

/** @throws MetatrainError `PROTOCOL_MISMATCH`, `REQUEST_INVALID` */
export function checkHello(hello: Hello__Output): void {
  if (hello.protocolVersion !== protocolVersion) {
    const message =
      `the worker speaks protocol version ${hello.protocolVersion}, the coordinator speaks ${protocolVersion}; ` +
      'run the same major version of metatrain on both';
    throw new MetatrainError('PROTOCOL_MISMATCH', message);
  }
  const limits = { workerId: 128, engineFingerprint: 400 } as const;
  for (const field of ['workerId', 'engineFingerprint'] as const) {
    const { length } = hello[field];
    if (length < 1 || length > limits[field]) {
      throw invalid(`hello.${field}`, `${length} characters`, `1 to ${limits[field]}`);
    }
  }
  // Other words than these would make a worker that no job can ask for.
  const accepted = { engine: ['', 'compiled', 'eager'], kind: ['', 'cpu', 'webgpu', 'cuda'] };
  for (const [field, value, words] of [
    ['engine', hello.engine, accepted.engine],
    ['device.kind', hello.device?.kind ?? '', accepted.kind],
  ] as const) {
    if (!words.includes(value)) {
      throw invalid(`hello.${field}`, `"${value.slice(0, 40)}"`, words.slice(1).join(', '));
    }
  }
  checkPlugins(hello);
  if (hello.slots < 1 || hello.slots > maxSlots) throw invalid('hello.slots', String(hello.slots), `1 to ${maxSlots}`);
}

/** @throws MetatrainError `REQUEST_INVALID` */
function checkPlugins({ plugins }: Hello__Output): void {
  if (plugins.length > maxPlugins) throw invalid('hello.plugins', `${plugins.length}`, `at most ${maxPlugins}`);
  for (const { name, sha256 } of plugins) {
    if (name === '' || name.length > maxPluginName) {
      throw invalid('hello.plugins.name', `${name.length} characters`, `1 to ${maxPluginName}`);
    }
    if (!/^[0-9a-f]{64}$/.test(sha256)) {
      throw invalid('hello.plugins.sha256', `"${sha256.slice(0, 40)}"`, '64 hexadecimal digits');
    }
  }
}

export function deviceOf({ device }: Hello__Output): WorkerDevice {
  const text = (value = '') => boundText(value, 200);
  return {
    kind: device?.kind || 'cpu',
    name: text(device?.name),
    memoryBytes: device?.memoryBytes ?? 0,
    driver: text(device?.driver),
  };
}

/** What a worker says of a failure is stored, joined with what others say, and sent to every watcher. */
export const boundFailure = (failure: ShardFailure__Output): ShardFailure__Output => ({
  ...failure,
  code: boundText(failure.code, 64),
  message: boundText(failure.message, maxWorkerTextBytes),
});

/** @throws MetatrainError `REQUEST_INVALID` */
export function shardProgress({ leaseId, phase, reopening: isReopening }: ShardProgress__Output): ShardProgress {
  if (phase !== 'starting' && phase !== 'computing') {
    throw invalid('shard_progress.phase', `"${phase.slice(0, 40)}"`, 'starting or computing');
  }
  return { leaseId, isStarting: phase === 'starting', isReopening };
}

/** @throws MetatrainError `REQUEST_INVALID` */
export function heldShards({ results }: ResultsHeld__Output): HeldShard[] {
  if (results.length > maxHeldResults) {
    throw invalid('results_held', `${results.length} results`, `at most ${maxHeldResults}`);
  }
  return results.map(({ jobId, work, paramsVersion: step, shard }) => {
    const kind = workKinds.find((one) => one === work);
    if (kind) return { jobId, work: kind, step, shard };
    throw invalid('results_held.work', work.slice(0, 40), workKinds.join(', '));
  });
}

export function invalid(field: string, got: string, accepted: string): MetatrainError {
  return new MetatrainError('REQUEST_INVALID', `${field}: got ${got}; accepted: ${accepted}`);
}
