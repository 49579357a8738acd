// A nats-server with JetStream for a benchmark, if this machine has one: on a free port, with its
// files in a temporary folder, removed at the end.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface BenchNats {
  /** Absent if there is no server; `missing` says why. */
  readonly url?: string;
  readonly missing?: string;
  close(): Promise<void>;
}

export async function startNats(): Promise<BenchNats> {
  const program = ['nats-server', '/usr/sbin/nats-server'].find((name) => !spawnSync(name, ['--version']).error);
  if (program === undefined) return { missing: 'no nats-server on this machine', close: async () => {} };
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-bench-nats-'));
  const flags = ['--addr', '127.0.0.1', '--port', '-1', '--jetstream', '--store_dir', directory];
  const child = spawn(program, flags, { stdio: ['ignore', 'ignore', 'pipe'] });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const exited = once(child, 'exit');
  let said = '';
  const port = await new Promise<string>((resolve, reject) => {
    void exited.then(() => reject(new Error(`nats-server ended: ${said}`)));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const found = /client connections on 127\.0\.0\.1:(\d+)/.exec(said)?.[1];
      if (found !== undefined && said.includes('Server is ready')) resolve(found);
    });
  });
  return {
    url: `nats://127.0.0.1:${port}`,
    async close() {
      process.off('exit', kill);
      kill();
      await exited;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
