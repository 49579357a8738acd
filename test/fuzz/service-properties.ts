// Both services of a real coordinator under requests and messages from strangers: only documented statuses, always within the deadline, and
// the coordinator serves on. Real gRPC, one process: what is not caught ends the command.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ClientDuplexStream,
  credentials,
  makeGenericClientConstructor,
  type ServiceDefinition,
  type ServiceError,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import fc from 'fast-check';
import { type Coordinator, startCoordinator } from '../../coordinator/main.ts';
import type { CoordinatorMessage__Output } from '../../shared/gen/metatrain/v1/CoordinatorMessage.ts';
import type { ShardLease__Output } from '../../shared/gen/metatrain/v1/ShardLease.ts';
import type { WorkerMessage } from '../../shared/gen/metatrain/v1/WorkerMessage.ts';
import { sha256 } from '../../shared/tensor-codec.ts';
import { ClusterService, channelOptions, JobService, protocolVersion, WorkerService } from '../../shared/wire.ts';
import { bytes, counts, jobFiles, texts } from './arbitraries.ts';

const callLimitMs = 20_000;
const lastHeartbeat = 4_000_000;

/** What docs/operating.md promises a client, whatever it sends. */
const documented = new Set([
  status.OK,
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.ALREADY_EXISTS,
  status.RESOURCE_EXHAUSTED,
  status.FAILED_PRECONDITION,
]);

export class ServiceTarget {
  readonly #stateDirectory = mkdtempSync(join(tmpdir(), 'metatrain-fuzz-'));
  #coordinator: Coordinator | undefined;
  #jobs: InstanceType<typeof JobService> | undefined;
  #cluster: InstanceType<typeof ClusterService> | undefined;
  readonly #jobIds: string[] = [''];

  static async start(): Promise<ServiceTarget> {
    const target = new ServiceTarget();
    target.#coordinator = await startCoordinator({
      stateDirectory: target.#stateDirectory,
      host: '127.0.0.1',
      port: 0,
      limits: { unfinishedJobs: 200, closeGraceMs: 200 },
      core: { heartbeatIntervalMs: 200 },
    });
    const { address } = target.#coordinator;
    target.#jobs = new JobService(address, credentials.createInsecure(), channelOptions);
    target.#cluster = new ClusterService(address, credentials.createInsecure(), channelOptions);
    return target;
  }

  async close(): Promise<void> {
    this.#jobs?.close();
    this.#cluster?.close();
    await this.#coordinator?.close();
    rmSync(this.#stateDirectory, { recursive: true, force: true });
  }

  readonly requests = async (cases: number, seed: number): Promise<void> => {
    const jobId = fc.oneof(
      texts,
      fc.nat().map((index) => ({ index })),
    );
    const request = fc.oneof(
      fc.record({
        method: fc.constant('SubmitJob'),
        spec: jobFiles,
        idempotencyKey: fc.oneof(texts, fc.constantFrom('a', 'b')),
      }),
      fc.record({ method: fc.constantFrom('GetJob', 'CancelJob', 'PauseJob', 'ResumeJob'), jobId }),
      fc.record({
        method: fc.constant('ListJobs'),
        pageSize: counts,
        pageToken: fc.oneof(texts, fc.constantFrom('3', 'NaN', '-1', '1e999')),
        states: fc.array(fc.nat(9), { maxLength: 3 }),
      }),
      fc.record({ method: fc.constant('WatchJob'), jobId, afterSequence: counts }),
      fc.record({
        method: fc.constant('WatchEvents'),
        jobId: fc.oneof(jobId, fc.constant('')),
        afterSequence: counts,
        since: fc.option(fc.record({ seconds: fc.integer(), nanos: fc.integer() })),
        noFollow: fc.boolean(),
      }),
      fc.record({ method: fc.constant('DownloadCheckpoint'), jobId, step: fc.option(counts, { nil: undefined }) }),
      fc.record({
        method: fc.constant('garbage'),
        of: fc.constantFrom('SubmitJob', 'GetJob', 'ListJobs'),
        data: bytes,
      }),
    );
    await fc.assert(
      fc.asyncProperty(request, async (asked) => {
        const code = await this.#ask(asked as unknown as Record<string, unknown>);
        // gRPC's own answer to bytes that are no message is INTERNAL.
        const isFine = documented.has(code) || (asked.method === 'garbage' && code === status.INTERNAL);
        assert.ok(isFine, `${asked.method} was answered with ${status[code]}`);
      }),
      { numRuns: cases, seed },
    );
    assert.equal(await this.#ask({ method: 'ListJobs' }), status.OK, 'the coordinator serves on');
  };

  #ask({ method, of, data, ...fields }: Record<string, unknown>): Promise<status> {
    const options = { deadline: Date.now() + callLimitMs };
    const request = { ...fields, ...this.#realJobId(fields.jobId) };
    if (method === 'garbage') return this.#sendGarbage(String(of), data as Buffer);
    return new Promise((resolve) => {
      const jobs = this.#jobs as unknown as Record<string, (...args: unknown[]) => unknown>;
      if (method === 'WatchJob' || method === 'WatchEvents' || method === 'DownloadCheckpoint') {
        const service = method === 'WatchEvents' ? (this.#cluster as unknown as typeof jobs) : jobs;
        const call = service[method]!(request, options) as ClientDuplexStream<unknown, unknown>;
        // A watch of what goes on has no end of its own.
        call.on('data', () => call.cancel());
        if (method !== 'DownloadCheckpoint') jobs.ListJobs!({}, options, () => call.cancel());
        call.on('error', () => undefined);
        call.on('status', ({ code }: StatusObject) => resolve(code === status.CANCELLED ? status.OK : code));
        return;
      }
      jobs[method as string]!(request, options, (error: ServiceError | null, response?: { jobId?: string }) => {
        if (method === 'SubmitJob' && response?.jobId) {
          this.#jobIds.push(response.jobId);
          // So that the limit of jobs is met now and then, and not for good.
          if (this.#jobIds.length % 2 === 0) {
            jobs.CancelJob!({ jobId: response.jobId }, options, () => resolve(status.OK));
            return;
          }
        }
        resolve(error?.code ?? status.OK);
      });
    });
  }

  #realJobId(jobId: unknown): { jobId?: string } {
    if (typeof jobId !== 'object' || jobId === null) return {};
    return { jobId: this.#jobIds[(jobId as { index: number }).index % this.#jobIds.length]! };
  }

  #sendGarbage(method: string, data: Buffer): Promise<status> {
    const { [method]: definition } = JobService.service as unknown as Record<string, ServiceDefinition[string]>;
    const raw = { ...definition!, requestSerialize: (value: Buffer) => value } as ServiceDefinition[string];
    const Client = makeGenericClientConstructor({ [method]: raw }, 'Garbage');
    const client = new Client(this.#coordinator!.address, credentials.createInsecure(), channelOptions);
    return new Promise((resolve) => {
      const call = (client as unknown as Record<string, (...args: unknown[]) => unknown>)[method]!;
      call.call(client, data, { deadline: Date.now() + callLimitMs }, (error: ServiceError | null) => {
        client.close();
        resolve(error?.code ?? status.OK);
      });
    });
  }

  /** One case is one stream: a hello, then messages that a worker may send or may not, some of them in answer to real leases. */
  readonly streams = async (cases: number, seed: number): Promise<void> => {
    const leaseId = fc.oneof(texts, fc.constant('$lease'));
    const payloadSha256 = fc.oneof(bytes, fc.constant(sha256(Buffer.alloc(68))));
    const numbers = fc.array(fc.oneof(fc.double(), fc.constant(1)), { maxLength: 5 });
    const result = {
      leaseId,
      jobId: fc.oneof(texts, fc.constant('$job')),
      computeMs: fc.double(),
      presentedAgain: fc.boolean(),
    };
    const tensors = fc.array(
      fc.record({
        name: texts,
        shape: fc.array(
          counts.map((count) => count % 2 ** 32),
          { maxLength: 3 },
        ),
      }),
      { maxLength: 3 },
    );
    const measures = fc.array(fc.record({ name: fc.oneof(fc.constant('loss'), texts), values: numbers }), {
      maxLength: 3,
    });
    const message: fc.Arbitrary<WorkerMessage> = fc.oneof(
      fc.record({ heartbeat: fc.record({ sequence: counts }) }),
      fc.record({ payloadChunk: fc.record({ payloadSha256, payloadBytes: counts, offset: counts, data: bytes }) }),
      fc.constant({
        payloadChunk: { payloadSha256: sha256(Buffer.alloc(68)), payloadBytes: 68, offset: 0, data: Buffer.alloc(68) },
      }),
      fc.record({
        shardResult: fc.record({
          ...result,
          train: fc.record({
            payloadSha256,
            weight: fc.double(),
            measures,
            nonFiniteTasks: fc.array(fc.nat(9)),
            carrySha256: fc.oneof(fc.constant(Buffer.alloc(0)), payloadSha256),
          }),
        }),
      }),
      fc.record({
        shardResult: fc.record({ ...result, evaluate: fc.record({ measures }) }),
      }),
      fc.record({
        shardResult: fc.record({ ...result, initialize: fc.record({ layout: fc.record({ tensors }), payloadSha256 }) }),
      }),
      fc.record({ shardResult: fc.record(result) }),
      fc.record({ shardFailure: fc.record({ leaseId, code: texts, message: texts, permanent: fc.boolean() }) }),
      fc.record({
        shardProgress: fc.record({
          leaseId,
          phase: fc.oneof(texts, fc.constantFrom('starting', 'computing')),
          reopening: fc.boolean(),
        }),
      }),
      fc.record({
        resultsHeld: fc.record({
          results: fc.array(
            fc.record({
              jobId: texts,
              work: fc.oneof(texts, fc.constant('train')),
              paramsVersion: counts,
              shard: fc.nat(9),
            }),
            { maxLength: 300 },
          ),
        }),
      }),
      fc.record({ drain: fc.record({ reason: texts, graceMs: fc.nat() }) }),
      fc.constant({}),
      fc.record({ hello: fc.record({ workerId: texts }) }),
    );
    const hello = fc.oneof(
      {
        arbitrary: fc.record({ workerId: fc.constantFrom('w1', 'w2'), slots: fc.integer({ min: 1, max: 4 }) }),
        weight: 5,
      },
      fc.record({ workerId: texts, slots: counts.map((count) => count % 2 ** 32) }),
    );
    await fc.assert(
      fc.asyncProperty(
        hello,
        fc.array(message, { maxLength: 12 }),
        fc.boolean(),
        fc.boolean(),
        async (greeting, messages, hasJob, isBatched) => {
          if (hasJob) await this.#ask({ method: 'SubmitJob', spec: goodSpec });
          const code = await this.#talk(greeting, messages, isBatched);
          assert.ok(documented.has(code), `the stream ended with ${status[code]}`);
        },
      ),
      { numRuns: cases, seed },
    );
    assert.equal(await this.#ask({ method: 'ListJobs' }), status.OK, 'the coordinator serves on');
    const { workers } = await new Promise<{ workers: unknown[] }>((resolve, reject) =>
      this.#cluster!.ListWorkers({}, { deadline: Date.now() + callLimitMs }, (error, response) =>
        error ? reject(error) : resolve(response!),
      ),
    );
    assert.deepEqual(workers, [], 'no stream is left behind');
  };

  #talk(
    greeting: { workerId: string; slots: number },
    messages: readonly WorkerMessage[],
    isBatched: boolean,
  ): Promise<status> {
    const client = new WorkerService(this.#coordinator!.address, credentials.createInsecure(), channelOptions);
    const call = client.connect({ deadline: Date.now() + callLimitMs });
    let lease: ShardLease__Output | undefined;
    const ended = new Promise<status>((resolve) => {
      call.on('error', () => undefined);
      call.on('status', ({ code }: StatusObject) => {
        client.close();
        resolve(code);
      });
    });
    call.write({ hello: { protocolVersion, engineFingerprint: 'fuzz', version: '0', ...greeting } });
    const receive = (message: CoordinatorMessage__Output) => {
      lease ??= message.shardLease ?? undefined;
      // Leases, if any, come with the next turns of the loop; a heartbeat's answer comes behind them.
      if (message.welcome) call.write({ heartbeat: { sequence: lastHeartbeat } });
      if (message.heartbeatReply?.sequence !== lastHeartbeat) return;
      const sent = messages.map((other) => withLease(other, lease));
      if (isBatched) call.write({ batch: { messages: sent } });
      else for (const each of sent) call.write(each);
      call.end();
    };
    call.on('data', (whole: CoordinatorMessage__Output) => {
      for (const message of whole.batch?.messages ?? [whole]) receive(message);
    });
    return ended;
  }
}

const goodSpec = JSON.stringify({
  name: 'fuzz',
  task: { distribution: 'sinusoid' },
  model: { architecture: 'mlp', hiddenLayers: [2, 3] },
  algorithm: { name: 'maml' },
  meta: { iterations: 2, batchSize: 2 },
  evaluation: { tasks: 2, innerSteps: 1 },
});

function withLease(message: WorkerMessage, lease: ShardLease__Output | undefined): WorkerMessage {
  const text = JSON.stringify(message).includes('"$');
  if (!text) return message;
  const { shardResult, shardFailure, shardProgress } = message;
  const replace = <T extends { leaseId?: string; jobId?: string }>(part: T): T => ({
    ...part,
    leaseId: part.leaseId === '$lease' ? (lease?.leaseId ?? '') : part.leaseId,
    ...(part.jobId === '$job' && { jobId: lease?.jobId ?? '' }),
  });
  if (shardResult) return { shardResult: replace(shardResult) };
  if (shardFailure) return { shardFailure: replace(shardFailure) };
  if (shardProgress) return { shardProgress: replace(shardProgress) };
  return message;
}
