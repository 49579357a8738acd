// The reference for the coordinator's benchmark: its streams, messages and sizes without any work
// behind them. θ goes out, a result comes in, and that stream's next round begins; no hash, no sum.
// In lock-step a round begins when the results of every stream are in, as in a meta-step: the
// difference is the cost of waiting. A child process: prints its address, answers `count`.
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { Outbox } from '../../coordinator/rpc/outbox.ts';
import {
  jobOpenedMessage,
  packMessages,
  paramsMessages,
  workerServiceDefinition,
} from '../../coordinator/rpc/worker-messages.ts';
import type { CoordinatorMessage } from '../../shared/gen/metatrain/v1/CoordinatorMessage.ts';
import type { WorkerMessage__Output } from '../../shared/gen/metatrain/v1/WorkerMessage.ts';
import type { WorkerServiceHandlers } from '../../shared/gen/metatrain/v1/WorkerService.ts';
import { bytesOfVector, sha256 } from '../../shared/tensor-codec.ts';
import { channelOptions } from '../../shared/wire.ts';

const elements = Number(process.argv[2]);
/** 0: no stream waits for the others. */
const streamsInLockStep = Number(process.argv[3]);
const vector = new Float32Array(elements);
const job = { plan: { jobId: 'job' } };
const metaParams = { step: 0, vector, sha256: sha256(bytesOfVector(vector)) };
let rounds = 0;
const waiting: (() => void)[] = [];

const handlers: WorkerServiceHandlers = {
  Connect(call: ServerDuplexStream<WorkerMessage__Output, CoordinatorMessage>) {
    const outbox = new Outbox(
      (message, done) => void call.write(message as CoordinatorMessage, done),
      packMessages,
      100,
    );
    const nextRound = () => {
      outbox.push('job', paramsMessages(job, metaParams));
      const train = { paramsVersion: 0, metaStep: 0, shard: 0, firstTask: 0, taskCount: 1 };
      outbox.push('job', [{ shardLease: { leaseId: 'lease', jobId: 'job', attempt: 1, deadlineMs: 60_000, train } }]);
      outbox.flush();
    };
    call.on('data', (message: WorkerMessage__Output) => {
      if (message.hello) {
        outbox.pushUrgent({ welcome: { protocolVersion: 1, heartbeatIntervalMs: 2_000, coordinatorVersion: '0' } });
        outbox.push('job', [jobOpenedMessage('job', { spec: '{}', layout: { tensors: [] }, data: [] })]);
        nextRound();
      } else if (message.shardResult) {
        rounds += 1;
        if (streamsInLockStep === 0) {
          nextRound();
          return;
        }
        waiting.push(nextRound);
        if (waiting.length === streamsInLockStep) for (const next of waiting.splice(0)) next();
      }
    });
    call.on('end', () => call.end());
    call.on('error', () => undefined);
  },
};

const server = new Server(channelOptions);
server.addService(workerServiceDefinition, handlers);
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.send?.({ address: `127.0.0.1:${port}` });
});
process.on('message', () => process.send?.({ rounds }));
process.on('disconnect', () => process.exit(0));
