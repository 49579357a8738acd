// The worker process: configuration → compute pool → session. No logic of its own. Prints `{"workerId": …}` on stdout once connected;
// exits 0 after a drain, 1 when it was refused or cannot compute.
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { realClock } from '../shared/clock.ts';
import { asMetatrainError } from '../shared/errors.ts';
import { createLogger } from '../shared/log.ts';
import { randomFraction } from '../shared/rng.ts';
import { packageRoot } from '../shared/wire.ts';
import { ComputePool } from './compute/pool.ts';
import { readConfig } from './config.ts';
import { explainJob, renderExplanation } from './explain.ts';
import { Session } from './session.ts';
import { defaultSessionTimes } from './session-state.ts';
import { streamsTo } from './session-stream.ts';

const config = readConfig(process.argv.slice(2));
const { workerId, slots, memoryBytes, dataDirectories, drainGraceMs, giveUpMs } = config;
const memoryLimitBytes = Math.floor(memoryBytes / slots);
const log = createLogger('worker', config.logLevel);
const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string };

if (config.exitWithParent) {
  process.stdin.on('close', () => process.exit(0));
  process.stdin.resume();
}

if (config.explain) {
  try {
    const { explain } = config;
    const explanation = await explainJob({ ...explain, dataDirectories, memoryLimitBytes });
    process.stdout.write(explain.json ? `${JSON.stringify(explanation)}\n` : renderExplanation(explanation, explain));
    process.exitCode = 0;
  } catch (thrown) {
    process.stderr.write(`metatrain worker: ${asMetatrainError(thrown).message}\n`);
    process.exitCode = 1;
  }
  await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
  process.exit();
}

try {
  const pool = await ComputePool.start({ slots, dataDirectories, memoryLimitBytes }, { clock: realClock, log });
  log.debug({ fingerprint: pool.fingerprint, slots, memoryLimitBytes, dataDirectories }, 'ready to compute');
  const session = new Session(
    { workerId, version, times: { ...defaultSessionTimes, giveUpMs } },
    {
      openStream: streamsTo(config.coordinator),
      pool,
      clock: realClock,
      log,
      randomFraction,
      onConnected: () => process.stdout.write(`${JSON.stringify({ workerId })}\n`),
    },
  );
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      for (const second of ['SIGTERM', 'SIGINT'] as const) {
        process.on(second, () => process.exit(128 + constants.signals[second]));
      }
      session.drain(signal, drainGraceMs);
    });
  }
  const end = await session.run();
  log[end.exitCode === 0 ? 'info' : 'error']({ exitCode: end.exitCode }, end.message);
  process.exitCode = end.exitCode;
  await pool.close();
} catch (thrown) {
  const { code, message } = asMetatrainError(thrown);
  log.fatal({ code }, message);
  process.exitCode = 1;
}
process.exit();
