// A child process with many simulated workers: real streams, the real protocol, no computation.
// Every lease is answered at once with one payload, whose hash and chunks are made in advance, so
// that only the coordinator's time is measured. Started by fork with its setup as one argument.
import { type ClientDuplexStream, credentials } from '@grpc/grpc-js';
import type { CoordinatorMessage__Output } from '../../shared/gen/metatrain/v1/CoordinatorMessage.ts';
import type { ShardLease__Output } from '../../shared/gen/metatrain/v1/ShardLease.ts';
import type { WorkerMessage } from '../../shared/gen/metatrain/v1/WorkerMessage.ts';
import { chunksOf } from '../../shared/tensor-codec.ts';
import { channelOptions, protocolVersion, WorkerService } from '../../shared/wire.ts';

export interface NullWorkersSetup {
  readonly address: string;
  readonly first: number;
  readonly workers: number;
  readonly elements: number;
}

type Stream = ClientDuplexStream<WorkerMessage, CoordinatorMessage__Output>;

const { address, first, workers, elements } = JSON.parse(process.argv[2]!) as NullWorkersSetup;
const chunks = chunksOf(Buffer.alloc(elements * 4));
const payloadSha256 = chunks[0]!.payloadSha256;

for (let i = 0; i < workers; i += 1) openWorker(`null-${first + i}`);
process.on('disconnect', () => process.exit(0));

function openWorker(workerId: string): void {
  const client = new WorkerService(address, credentials.createInsecure(), channelOptions);
  const stream: Stream = client.connect();
  stream.on('error', (error) => {
    process.stderr.write(`${workerId}: ${error.message}\n`);
    process.exit(1);
  });
  const receive = (message: CoordinatorMessage__Output) => {
    if (message.welcome) {
      let sequence = 0;
      setInterval(() => stream.write({ heartbeat: { sequence: ++sequence } }), message.welcome.heartbeatIntervalMs);
      process.send?.('joined');
    } else if (message.shardLease) {
      send(stream, answerTo(message.shardLease));
    }
  };
  stream.on('data', (whole: CoordinatorMessage__Output) => {
    for (const message of whole.batch?.messages ?? [whole]) receive(message);
  });
  stream.write({
    hello: { protocolVersion, workerId, engineFingerprint: 'null', slots: 1, version: '0' },
  });
}

function* answerTo({ leaseId, jobId = '', train, evaluate }: ShardLease__Output): Generator<WorkerMessage> {
  if (evaluate) {
    const measures = [{ name: 'loss', values: new Array<number>(evaluate.taskCount * 2).fill(1) }];
    yield { shardResult: { leaseId, jobId, evaluate: { measures } } };
    return;
  }
  for (const payloadChunk of chunks) yield { payloadChunk };
  if (train) {
    const { taskCount: weight } = train;
    const measures = [{ name: 'loss', values: new Array<number>(weight).fill(1) }];
    yield { shardResult: { leaseId, jobId, train: { payloadSha256, weight, measures } } };
  } else {
    const layout = { tensors: [{ name: 'w', shape: [elements] }] };
    yield { shardResult: { leaseId, jobId, initialize: { layout, payloadSha256 } } };
  }
}

/** Keeps at most one socket buffer of messages in memory. */
function send(stream: Stream, messages: Generator<WorkerMessage>): void {
  // Leaving a for-of loop would end the generator.
  for (let next = messages.next(); !next.done; next = messages.next()) {
    if (stream.write(next.value)) continue;
    stream.once('drain', () => send(stream, messages));
    return;
  }
}
