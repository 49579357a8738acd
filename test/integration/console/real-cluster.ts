// A coordinator and workers as real processes on fixed ports, so that the coordinator can be killed and come back where it was.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { freePorts } from '../../support/free-ports.ts';
import { dataDirectory } from '../../support/needs.ts';
import { TestProcess } from '../../support/processes.ts';
import { type TestToken, writeTokens } from '../security/secured-cluster.ts';
import { post } from './http-client.ts';

export class RealCluster {
  readonly directory: string;
  readonly address: string;
  /** HOST:PORT of the console. */
  readonly http: string;
  readonly tokensFile: string | undefined;
  readonly #test: TestContext;
  #coordinator: TestProcess | undefined;

  private constructor(test: TestContext, directory: string, ports: readonly number[], tokens?: readonly TestToken[]) {
    this.#test = test;
    this.directory = directory;
    this.address = `127.0.0.1:${ports[0]}`;
    this.http = `127.0.0.1:${ports[1]}`;
    this.tokensFile = tokens && join(directory, 'tokens.jsonl');
    if (this.tokensFile && tokens) writeTokens(this.tokensFile, tokens);
  }

  static async start(test: TestContext, tokens?: readonly TestToken[]): Promise<RealCluster> {
    const directory = mkdtempSync(join(tmpdir(), 'metatrain-console-'));
    test.after(() => rmSync(directory, { recursive: true, force: true }));
    const cluster = new RealCluster(test, directory, await freePorts(2), tokens);
    await cluster.startCoordinator();
    return cluster;
  }

  /** @param flags besides the usual ones. */
  async startCoordinator(...flags: readonly string[]): Promise<void> {
    this.#coordinator = new TestProcess(this.#test, 'coordinator/main.js', [
      ...['--listen', this.address, '--http', this.http, '--state-dir', join(this.directory, 'state')],
      ...(this.tokensFile === undefined ? [] : ['--tokens', this.tokensFile]),
      ...['--log-level', 'warn'],
      ...flags,
    ]);
    await this.#coordinator.ready();
  }

  async killCoordinator(): Promise<void> {
    await this.#coordinator?.kill('SIGKILL');
  }

  /** Resolves when it is connected. @param address of the coordinator, or of an entrance before it. */
  async startWorker(workerId: string, address = this.address, data = dataDirectory): Promise<TestProcess> {
    const flags = ['--coordinator', address, '--slots', '1', '--data-dir', data];
    const worker = new TestProcess(this.#test, 'worker/main.js', flags, { METATRAIN_WORKER_ID: workerId });
    await worker.ready();
    return worker;
  }

  /** @param spec the job file. @returns the job's id. */
  async submit(spec: object): Promise<string> {
    const answer = await post(this.http, '/api/v1/jobs', { spec: JSON.stringify(spec) });
    if (answer.status !== 200) throw new Error(answer.body.toString());
    return answer.json<{ jobId: string }>().jobId;
  }
}

/** MAML on sine waves, small enough to begin at once. */
export const sinusoid = (name: string, iterations: number, more: { readonly [field: string]: object } = {}) => ({
  name,
  seed: 1,
  task: { distribution: 'sinusoid', shots: 5, queries: 5 },
  model: { architecture: 'mlp', hiddenLayers: [40, 40] },
  algorithm: { name: 'maml', order: 'second', innerSteps: 1, innerLearningRate: 0.01 },
  meta: { iterations, batchSize: 25, optimizer: { name: 'adam', learningRate: 0.005 }, clipNorm: 0.5, ...more.meta },
  evaluation: { tasks: 100, innerSteps: 5, ...more.evaluation },
  checkpoint: more.checkpoint ?? {},
  placement: { shardSize: 13, ...more.placement },
  published: {
    source: 'MAML, Finn et al. 2017, §5.1',
    measure: 'loss',
    at: { 1: { mean: 0.67 }, 5: { mean: 0.38 } },
    protocol: {
      task: { distribution: 'sinusoid', shots: 5, queries: 5 },
      meta: { iterations: 70_000, batchSize: 25, optimizer: { name: 'adam', learningRate: 0.001 } },
      evaluation: { tasks: 600 },
      transductive: false,
    },
    differences: ['it has far less patience'],
  },
});

/** Its meta-gradients are infinite from the first shard on. */
export const diverging = {
  name: 'diverging',
  task: { distribution: 'sinusoid' },
  model: { architecture: 'mlp' },
  algorithm: { name: 'maml', innerLearningRate: 10, innerSteps: 5 },
  meta: { iterations: 200, optimizer: { name: 'sgd', learningRate: 100_000 } },
};
