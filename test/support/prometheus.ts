// A real Prometheus on a port of its own, which scrapes the addresses that a test names and answers
// queries through its HTTP API. Everything is removed when the test ends.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';
import { pathOf } from './needs.ts';

/** One sample of an instant vector. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** An entry of Prometheus' `scrape_configs`. */
export type ScrapeConfig = Readonly<Record<string, unknown>>;

const pollMs = 250;

export class Prometheus {
  readonly #process: ChildProcess;
  readonly #address: string;

  private constructor(process: ChildProcess, address: string) {
    this.#process = process;
    this.#address = address;
  }

  static async start(
    test: TestContext,
    scrapes: readonly ScrapeConfig[],
    { scrapeInterval = '500ms', ruleFiles = [] as readonly string[] } = {},
  ): Promise<Prometheus> {
    const directory = mkdtempSync(join(tmpdir(), 'metatrain-prometheus-'));
    const file = join(directory, 'prometheus.yml');
    const global = { scrape_interval: scrapeInterval, evaluation_interval: '1s', scrape_timeout: scrapeInterval };
    writeFileSync(file, stringify({ global, rule_files: ruleFiles, scrape_configs: scrapes }));
    const storage = `--storage.tsdb.path=${join(directory, 'data')}`;
    const child = spawn(
      pathOf('prometheus'),
      [`--config.file=${file}`, storage, '--web.listen-address=127.0.0.1:0', '--log.level=info'],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    test.after(async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
      rmSync(directory, { recursive: true, force: true });
    });
    let log = '';
    const address = await new Promise<string>((resolve, reject) => {
      child.once('exit', () => reject(new Error(`prometheus ended:\n${log}`)));
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        log += text;
        const bound = /msg="Listening on" address=(\S+)/.exec(log)?.[1];
        if (bound !== undefined && log.includes('Server is ready to receive')) resolve(bound);
      });
    });
    return new Prometheus(child, address);
  }

  /**
   * The data of an API's answer.
   *
   * @throws with Prometheus' message when it refuses.
   */
  async ask<Data>(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<Data> {
    const response = await fetch(`http://${this.#address}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const answer = (await response.json()) as { status: string; data: Data; error?: string };
    if (answer.status !== 'success') throw new Error(`${path} ${JSON.stringify(parameters)}: ${answer.error}`);
    return answer.data;
  }

  /** The present value of the expression. A scalar becomes a sample without labels. */
  async query(expression: string): Promise<Sample[]> {
    type Answer = {
      readonly resultType: string;
      readonly result: { metric: Sample['labels']; value: [number, string] }[];
    };
    const { resultType, result } = await this.ask<Answer>('query', { query: expression });
    if (resultType !== 'vector') throw new Error(`${expression} is a ${resultType}`);
    return result.map(({ metric: labels, value: [, value] }) => ({ labels, value: Number(value) }));
  }

  /**
   * Asks again until there is an answer.
   *
   * @throws with `describe` when there is none after `patienceMs`.
   */
  async until<Answer>(
    ask: () => Promise<Answer | undefined>,
    describe: () => string,
    patienceMs = 60_000,
  ): Promise<Answer> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const answer = await ask();
      if (answer !== undefined) return answer;
      if (performance.now() > deadline) throw new Error(`after ${patienceMs} ms: ${describe()}`);
      if (this.#process.exitCode !== null) throw new Error('prometheus has ended');
      await delay(pollMs);
    }
  }
}

/**
 * Runs promtool.
 *
 * @returns its output, and whether it passed.
 */
export function promtool(
  args: readonly string[],
  input?: string,
): { readonly isContent: boolean; readonly said: string } {
  const { status, stdout, stderr, error } = spawnSync(pathOf('promtool'), args, {
    encoding: 'utf8',
    timeout: 60_000,
    ...(input !== undefined && { input }),
  });
  if (error) throw error;
  return { isContent: status === 0, said: `${stdout}${stderr}` };
}
