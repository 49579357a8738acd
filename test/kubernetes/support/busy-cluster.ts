// Keeps a job running while a test disturbs the cluster: a job that has ended is compared with the
// bytes from outside, and the next one begins.
import assert from 'node:assert/strict';
import { kubectlJson } from './kubectl.ts';
import { applyJob, type JobFile, type MetaTrainJob, untilEnded, untilJob } from './training.ts';

export class BusyCluster {
  readonly #namespace: string;
  readonly #job: JobFile;
  readonly #expected: string;
  readonly #names: string[] = [];

  /** @param expected SHA-256 of the parameters that the job gives outside. */
  constructor(namespace: string, job: JobFile, expected: string) {
    this.#namespace = namespace;
    this.#job = job;
    this.#expected = expected;
  }

  /** How many jobs were begun. */
  get jobs(): number {
    return this.#names.length;
  }

  /** The name of a job that is being computed. */
  async running(): Promise<string> {
    const last = this.#names.at(-1);
    if (last !== undefined) {
      const { status } = await kubectlJson<MetaTrainJob>(['get', 'mtj', last, '--namespace', this.#namespace]);
      if (status?.state === 'Running') return last;
    }
    const name = `busy-${this.#names.length + 1}`;
    this.#names.push(name);
    await applyJob(this.#namespace, name, this.#job);
    const isRunning = ({ status }: MetaTrainJob) => status?.state === 'Running' && (status.step ?? 0) > 0;
    await untilJob(this.#namespace, name, 'its first meta-steps', isRunning);
    return name;
  }

  /** Waits for the end of every job that was begun: each has succeeded with the expected bytes. */
  async finish(timeoutMs = 600_000): Promise<void> {
    for (const name of this.#names) {
      const { status } = await untilEnded(this.#namespace, name, timeoutMs);
      assert.equal(status?.state, 'Succeeded', `${name}: ${status?.message}`);
      assert.equal(status.paramsSha256, this.#expected, name);
    }
  }
}
