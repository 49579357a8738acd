// A worker that speaks the real protocol over a real stream and computes next to nothing: the meta-gradient of task t pulls θ towards a
// point that is a function of t. Tests replace single answers to be slow, wrong, hostile or dead.

import type { ClientDuplexStream, StatusObject } from '@grpc/grpc-js';
import { layoutOf, resolveJob } from '../../../learning/job.ts';
import { parseJobSpec } from '../../../learning/job-file.ts';
import type { Registry } from '../../../learning/registry.ts';
import { builtIn } from '../../../learning/registry.ts';
import { type Connection, connectionTo } from '../../../shared/connection.ts';
import type { DataIdentity } from '../../../shared/data-identity.ts';
import type { CoordinatorMessage__Output } from '../../../shared/gen/metatrain/v1/CoordinatorMessage.ts';
import type { Hello } from '../../../shared/gen/metatrain/v1/Hello.ts';
import type { ShardLease__Output } from '../../../shared/gen/metatrain/v1/ShardLease.ts';
import type { WorkerMessage } from '../../../shared/gen/metatrain/v1/WorkerMessage.ts';
import type { JobSpec } from '../../../shared/job-spec/index.ts';
import {
  bytesOfVector,
  chunksOf,
  layoutElements,
  type ParamsLayout,
  PayloadAssembler,
  sha256,
  vectorOfBytes,
} from '../../../shared/tensor-codec.ts';
import { channelOptions, protocolVersion, WorkerService } from '../../../shared/wire.ts';
import { rowMessages } from '../../support/measures.ts';

/** A lease of a job's shard: this worker gets no others. */
export type JobLease = ShardLease__Output & { readonly jobId: string };

export interface NullWorkerOptions {
  readonly address: string;
  readonly workerId: string;
  readonly slots?: number;
  /** The parts of the jobs that it gets. Default: the built-in ones. */
  readonly registry?: Registry;
  /** Replaces fields of the hello. */
  readonly hello?: Hello;
  readonly fingerprint?: string;
  readonly protocolVersion?: number;
  /** What it says that its tasks are drawn from. Default: no data. */
  readonly data?: readonly DataIdentity[];
  /** Default: no TLS, no token. */
  readonly connection?: Connection;
  readonly onCancelled?: (leaseId: string, reason: string) => void;
  /** Replaces the answer to a lease; call `answer` for the usual one. */
  readonly onLease?: (lease: JobLease, worker: NullWorker) => void;
}

/** 17 parameters, as `smallModel` has on a sinusoid. */
export const smallLayout: ParamsLayout = {
  tensors: [
    { name: 'layer1.weights', shape: [1, 2] },
    { name: 'layer1.bias', shape: [2] },
    { name: 'layer2.weights', shape: [2, 3] },
    { name: 'layer2.bias', shape: [3] },
    { name: 'layer3.weights', shape: [3, 1] },
    { name: 'layer3.bias', shape: [1] },
  ],
};

/** Of 17 parameters on a sinusoid: 2 + 2, 6 + 3, 3 + 1. */
export const smallModel = { architecture: 'mlp', hiddenLayers: [2, 3] } as const;

/** The point towards which task t pulls parameter i. */
const targetOf = (task: number, i: number): number => Math.fround(((task * 31 + i * 17) % 101) / 101);

export function initialParams(layout: ParamsLayout): Float32Array {
  return Float32Array.from({ length: layoutElements(layout) }, (_, i) => ((i * 13) % 7) / 7 - 0.5);
}

export function gradientSum(metaParams: Float32Array, firstTask: number, taskCount: number): Float32Array {
  const sum = new Float32Array(metaParams.length);
  for (let task = firstTask; task < firstTask + taskCount; task += 1) {
    for (let i = 0; i < sum.length; i += 1) sum[i] = sum[i]! + (metaParams[i]! - targetOf(task, i));
  }
  return sum;
}

export class NullWorker {
  readonly workerId: string;
  /** Resolves with the status with which the stream ended. */
  readonly ended: Promise<StatusObject>;
  readonly leases: JobLease[] = [];
  readonly cancelled: { readonly leaseId: string; readonly reason: string }[] = [];
  readonly messages: CoordinatorMessage__Output[] = [];
  readonly #options: NullWorkerOptions;
  readonly #client: InstanceType<typeof WorkerService>;
  readonly #call: ClientDuplexStream<WorkerMessage, CoordinatorMessage__Output>;
  readonly #payloads = new PayloadAssembler({ payloadBytes: 2 ** 30, payloads: 64 });
  readonly #params = new Map<string, Float32Array>();
  readonly #specs = new Map<string, JobSpec>();
  #heartbeat: NodeJS.Timeout | undefined;
  #isWelcome = false;
  #isEnding = false;
  #welcomed: (() => void)[] = [];

  constructor(options: NullWorkerOptions) {
    this.#options = options;
    this.workerId = options.workerId;
    const { credentials, interceptors } = options.connection ?? connectionTo(options.address);
    this.#client = new WorkerService(options.address, credentials, { ...channelOptions, interceptors });
    this.#call = this.#client.connect();
    this.#call.on('data', (whole: CoordinatorMessage__Output) => {
      for (const message of whole.batch?.messages ?? [whole]) this.#receive(message);
    });
    this.#call.on('error', () => {});
    this.ended = new Promise((resolve) =>
      this.#call.on('status', (status: StatusObject) => {
        clearInterval(this.#heartbeat);
        this.#client.close();
        resolve(status);
      }),
    );
    this.#call.write({
      hello: {
        protocolVersion: options.protocolVersion ?? protocolVersion,
        workerId: options.workerId,
        engineFingerprint: options.fingerprint ?? 'null/1',
        slots: options.slots ?? 1,
        version: 'test',
        ...options.hello,
      },
    });
  }

  welcome(): Promise<void> {
    if (this.#isWelcome) return Promise.resolve();
    return new Promise((resolve) => this.#welcomed.push(resolve));
  }

  /** Nothing after the end of our half: a write then would break the stream without a status. */
  send(message: WorkerMessage): void {
    if (!this.#isEnding) this.#call.write(message);
  }

  /** As SIGKILL would: the stream breaks, nothing is said. */
  async kill(): Promise<void> {
    this.#call.cancel();
    await this.ended;
  }

  /** Ends its half; the coordinator ends the other. */
  async close(): Promise<void> {
    this.#isEnding = true;
    this.#call.end();
    await this.ended;
  }

  stopHeartbeats(): void {
    clearInterval(this.#heartbeat);
  }

  paramsOf(lease: JobLease): Float32Array {
    const params = this.#params.get(`${lease.jobId}/${(lease.train ?? lease.evaluate)?.paramsVersion}`);
    if (!params) throw new Error(`lease ${lease.leaseId} came before its parameters`);
    return params;
  }

  sendPayload(vector: Float32Array): Buffer {
    const bytes = bytesOfVector(vector);
    for (const payloadChunk of chunksOf(bytes)) this.send({ payloadChunk });
    return sha256(bytes);
  }

  /** @param computeMs what it says of its time, where it says anything. */
  answer(lease: JobLease, computeMs = 0.1): void {
    const { leaseId, jobId } = lease;
    const said = { leaseId, jobId, data: [...(this.#options.data ?? [])] };
    switch (lease.work) {
      case 'initialize': {
        const layout = layoutOf(resolveJob(this.#specOf(jobId), this.#options.registry ?? builtIn).parameters);
        const payloadSha256 = this.sendPayload(initialParams(layout));
        const tensors = layout.tensors.map(({ name, shape }) => ({ name, shape: [...shape] }));
        this.send({
          shardResult: {
            ...said,
            initialize: { layout: { tensors }, payloadSha256, splitDescription: 'null split', transductive: false },
          },
        });
        break;
      }
      case 'train': {
        const { firstTask, taskCount } = lease.train!;
        const payloadSha256 = this.sendPayload(gradientSum(this.paramsOf(lease), firstTask, taskCount));
        const measures = rowMessages(Array.from({ length: taskCount }, (_, i) => 1 / (1 + firstTask + i)));
        this.send({ shardResult: { ...said, train: { payloadSha256, weight: taskCount, measures }, computeMs } });
        break;
      }
      case 'evaluate': {
        const { firstTask, taskCount } = lease.evaluate!;
        const { innerSteps } = this.#specOf(jobId).evaluation;
        const losses = Array.from({ length: taskCount * (innerSteps + 1) }, (_, i) => {
          const task = firstTask + Math.floor(i / (innerSteps + 1));
          return task + 1 / (1 + (i % (innerSteps + 1)));
        });
        this.send({ shardResult: { ...said, evaluate: { measures: rowMessages(losses) } } });
        break;
      }
      default:
        throw new Error('a lease without work');
    }
  }

  #specOf(jobId: string): JobSpec {
    const spec = this.#specs.get(jobId);
    if (!spec) throw new Error(`a lease of job ${jobId} came before the job was opened`);
    return spec;
  }

  #receive(message: CoordinatorMessage__Output): void {
    this.messages.push(message);
    switch (message.message) {
      case 'welcome': {
        let sequence = 0;
        this.#heartbeat = setInterval(() => {
          sequence += 1;
          this.send({ heartbeat: { sequence } });
        }, message.welcome!.heartbeatIntervalMs);
        this.#isWelcome = true;
        for (const resolve of this.#welcomed) resolve();
        break;
      }
      case 'jobOpened':
        this.#specs.set(message.jobOpened!.jobId, parseJobSpec(message.jobOpened!.spec, [], this.#options.registry));
        break;
      case 'payloadChunk':
        this.#payloads.add(message.payloadChunk!);
        break;
      case 'paramsAnnounced': {
        const { jobId, paramsVersion, payloadSha256 } = message.paramsAnnounced!;
        const bytes = this.#payloads.take(payloadSha256);
        if (!bytes) throw new Error('parameters are announced after their payload');
        this.#params.set(`${jobId}/${paramsVersion}`, vectorOfBytes(bytes, bytes.byteLength / 4));
        this.#params.delete(`${jobId}/${paramsVersion - 1}`);
        break;
      }
      case 'leaseCancelled':
        this.cancelled.push(message.leaseCancelled!);
        this.#options.onCancelled?.(message.leaseCancelled!.leaseId, message.leaseCancelled!.reason);
        break;
      case 'shardLease': {
        const lease = message.shardLease as JobLease;
        this.leases.push(lease);
        if (this.#options.onLease) this.#options.onLease(lease, this);
        else this.answer(lease);
        break;
      }
      default:
        break;
    }
  }
}
