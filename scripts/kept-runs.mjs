// Runs of jobs whose results are kept in a JSON file under the hash of the job, so that a table of
// many runs goes on where it was stopped, and a changed job is run anew. The jobs run one after
// another on a cluster that starts with the first that is missing.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { MetatrainClient } from '../dist/client/index.js';

const main = fileURLToPath(new URL('../dist/client/cli/main.js', import.meta.url));

export class KeptRuns {
  #file;
  #workers;
  #cluster;

  /** @param file in which results are kept. */
  constructor({ file, workers }) {
    this.#file = file;
    this.#workers = workers;
  }

  /** What `factsOf` made of the job when it ran, or undefined. */
  of(job) {
    return this.#all()[hashOf(job)];
  }

  /**
   * Runs the job unless it has run before, and keeps what `factsOf` makes of its end.
   *
   * @throws when it fails.
   */
  async run(title, job, factsOf) {
    if (this.of(job)) return;
    this.#cluster ??= await startCluster(this.#workers);
    console.error(title);
    const { client } = this.#cluster;
    const { jobId } = await client.submitJob(JSON.stringify(job));
    for await (const _ of client.watchJob(jobId));
    const ended = await client.getJob(jobId);
    if (ended.state !== 'SUCCEEDED') throw new Error(`${title}: ${ended.state} ${ended.error?.message}`);
    // Read again, since another run of the command may have added to it.
    const all = { ...this.#all(), [hashOf(job)]: factsOf(ended) };
    writeFileSync(this.#file, `${JSON.stringify(all, null, 2)}\n`);
  }

  async close() {
    await this.#cluster?.close();
  }

  #all() {
    return existsSync(this.#file) ? JSON.parse(readFileSync(this.#file, 'utf8')) : {};
  }
}

const hashOf = (job) => createHash('sha256').update(JSON.stringify(job)).digest('hex').slice(0, 16);

async function startCluster(workers) {
  const scratch = mkdtempSync(join(tmpdir(), 'metatrain-runs-'));
  const flags = ['--workers', String(workers), '--listen', '127.0.0.1:0', '--log-level', 'warn', '--json'];
  const up = spawn(process.execPath, [main, 'up', ...flags, '--state-dir', join(scratch, 'state')], {
    cwd: scratch,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [ready] = await once(createInterface(up.stdout), 'line');
  const client = new MetatrainClient({ address: JSON.parse(ready).coordinator });
  return {
    client,
    async close() {
      client.close();
      up.kill();
      await once(up, 'exit');
      rmSync(scratch, { recursive: true });
    },
  };
}
