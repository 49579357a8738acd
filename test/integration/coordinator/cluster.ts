// A coordinator on a temporary directory, its clients and null workers, all closed when the test ends.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type ClientReadableStream, credentials, type ServiceError } from '@grpc/grpc-js';
import { type Coordinator, startCoordinator } from '../../../coordinator/main.ts';
import type { CoordinatorOptions } from '../../../coordinator/options.ts';
import { type Clock, realClock } from '../../../shared/clock.ts';
import type { Job__Output } from '../../../shared/gen/metatrain/v1/Job.ts';
import type { JobEvent__Output } from '../../../shared/gen/metatrain/v1/JobEvent.ts';
import { type Logger, silentLogger } from '../../../shared/log.ts';
import { ClusterService, channelOptions, JobService } from '../../../shared/wire.ts';
import { NullWorker, type NullWorkerOptions, smallModel } from './null-worker.ts';

export interface SpecOptions {
  readonly name?: string;
  readonly iterations?: number;
  readonly batchSize?: number;
  readonly shardSize?: number;
  readonly model?: object;
  readonly meta?: object;
  readonly evaluation?: object;
  readonly checkpoint?: object;
  readonly placement?: object;
}

export function specText(options: SpecOptions = {}): string {
  return JSON.stringify({
    name: options.name ?? 'null-job',
    task: { distribution: 'sinusoid' },
    model: options.model ?? smallModel,
    algorithm: { name: 'maml' },
    meta: {
      iterations: options.iterations ?? 20,
      batchSize: options.batchSize ?? 10,
      optimizer: { name: 'adam', learningRate: 0.01 },
      ...options.meta,
    },
    evaluation: { tasks: 8, innerSteps: 2, ...options.evaluation },
    checkpoint: options.checkpoint ?? {},
    placement: { shardSize: options.shardSize ?? 3, ...options.placement },
  });
}

/** A watch that waits for what does not come fails with DEADLINE_EXCEEDED. */
const watchPatienceMs = 60_000;

/** Heartbeats and leases quick enough for a test, slow enough for a busy machine. */
const quickCore = { heartbeatIntervalMs: 200, leaseFloorMs: 2_000, leaseFirstMs: 10_000, duplicateFloorMs: 100 };

export class TestCluster {
  readonly stateDirectory: string;
  readonly #workers: NullWorker[] = [];
  readonly #log: Logger;
  readonly #clock: Clock;
  #coordinator: Coordinator | undefined;
  #jobs: InstanceType<typeof JobService> | undefined;
  #cluster: InstanceType<typeof ClusterService> | undefined;

  private constructor(test: TestContext, log: Logger, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
    this.stateDirectory = mkdtempSync(join(tmpdir(), 'metatrain-test-'));
    test.after(async () => {
      await Promise.all(this.#workers.map((worker) => worker.kill()));
      await this.stop();
      rmSync(this.stateDirectory, { recursive: true, force: true });
    });
  }

  static async start(
    test: TestContext,
    options: Partial<CoordinatorOptions> = {},
    log: Logger = silentLogger,
    clock: Clock = realClock,
  ): Promise<TestCluster> {
    const cluster = new TestCluster(test, log, clock);
    await cluster.restart(options);
    return cluster;
  }

  get address(): string {
    if (!this.#coordinator) throw new Error('the coordinator is stopped');
    return this.#coordinator.address;
  }

  get requests(): Coordinator['requests'] {
    if (!this.#coordinator) throw new Error('the coordinator is stopped');
    return this.#coordinator.requests;
  }

  /** HOST:PORT of what is served over HTTP. */
  get http(): string {
    if (!this.#coordinator?.http) throw new Error('the coordinator serves no HTTP: start it with `http`');
    return this.#coordinator.http;
  }

  get jobs(): InstanceType<typeof JobService> {
    if (!this.#jobs) throw new Error('the coordinator is stopped');
    return this.#jobs;
  }

  get cluster(): InstanceType<typeof ClusterService> {
    if (!this.#cluster) throw new Error('the coordinator is stopped');
    return this.#cluster;
  }

  async restart(options: Partial<CoordinatorOptions> = {}): Promise<void> {
    await this.stop();
    this.#coordinator = await startCoordinator(
      {
        stateDirectory: this.stateDirectory,
        host: '127.0.0.1',
        port: 0,
        ...options,
        core: { ...quickCore, ...options.core },
        limits: { closeGraceMs: 500, ...options.limits },
      },
      { log: this.#log, clock: this.#clock },
    );
    this.#jobs = new JobService(this.address, credentials.createInsecure(), channelOptions);
    this.#cluster = new ClusterService(this.address, credentials.createInsecure(), channelOptions);
  }

  async stop(): Promise<void> {
    this.#jobs?.close();
    this.#cluster?.close();
    await this.#coordinator?.close();
    this.#coordinator = undefined;
  }

  async worker(workerId: string, options: Partial<NullWorkerOptions> = {}): Promise<NullWorker> {
    const worker = new NullWorker({ address: this.address, workerId, ...options });
    this.#workers.push(worker);
    await Promise.race([worker.welcome(), worker.ended]);
    return worker;
  }

  async submit(spec: string = specText(), idempotencyKey = ''): Promise<string> {
    return (await call(this.jobs, 'SubmitJob', { spec, idempotencyKey })).jobId;
  }

  job(jobId: string): Promise<Job__Output> {
    return call(this.jobs, 'GetJob', { jobId });
  }

  /** Every event until the job has ended, or until `isEnough`. */
  async watch(
    jobId: string,
    isEnough: (event: JobEvent__Output) => boolean = () => false,
    afterSequence = 0,
  ): Promise<JobEvent__Output[]> {
    const stream = this.jobs.WatchJob({ jobId, afterSequence }, { deadline: Date.now() + watchPatienceMs });
    return collect(stream, isEnough);
  }

  /** The job once it has ended. */
  async end(jobId: string): Promise<Job__Output> {
    await this.watch(jobId);
    return this.job(jobId);
  }
}

/** Every message but signs of life. */
export function collect<Message>(
  stream: ClientReadableStream<Message>,
  isEnough: (message: Message) => boolean = () => false,
): Promise<Message[]> {
  const messages: Message[] = [];
  return new Promise((resolve, reject) => {
    stream.on('data', (message: Message & { readonly sequence?: number }) => {
      if (message.sequence === 0) return;
      messages.push(message);
      if (!isEnough(message)) return;
      stream.cancel();
      resolve(messages);
    });
    stream.on('end', () => resolve(messages));
    stream.on('error', reject);
  });
}

type UnaryMethods<Client> = {
  [Name in keyof Client]: Client[Name] extends (
    request: infer Request,
    callback: (error: ServiceError | null, response?: infer Response) => void,
  ) => unknown
    ? { request: Request; response: NonNullable<Response> }
    : never;
};

/** One unary call as a promise, with a deadline. */
export function call<Client extends object, Name extends keyof Client & string>(
  client: Client,
  name: Name,
  request: UnaryMethods<Client>[Name] extends { request: infer Request } ? Request : never,
): Promise<UnaryMethods<Client>[Name] extends { response: infer Response } ? Response : never> {
  return new Promise((resolve, reject) => {
    const method = client[name] as (
      request: unknown,
      options: { deadline: number },
      callback: (error: ServiceError | null, response?: unknown) => void,
    ) => void;
    method.call(client, request, { deadline: Date.now() + 10_000 }, (error, response) => {
      if (error) reject(error);
      else resolve(response as never);
    });
  });
}

/** The error with which the promise is rejected, as gRPC gives it. */
export async function rejection(promise: Promise<unknown>): Promise<ServiceError> {
  try {
    await promise;
  } catch (error) {
    return error as ServiceError;
  }
  throw new Error('the call was expected to fail');
}
