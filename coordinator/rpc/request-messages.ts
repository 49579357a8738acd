// Orders of requests as messages of the worker's stream: a learner with its θ, and leases with what they bring.
import type { ShardLease } from '../../shared/gen/metatrain/v1/ShardLease.ts';
import { bytesOfVector, chunksOf, type ParamsLayout, sha256 } from '../../shared/tensor-codec.ts';
import type { Learner, RequestInput } from '../requests/request.ts';
import type { RequestOrder } from '../workers/worker-link.ts';
import type { MessageSequence } from './outbox.ts';
import { encodeLazily } from './worker-messages.ts';

/** All requests of a worker share a lane: what one brings comes just before its lease. */
export const requestLane = 'requests';

/** By learner, of which there are few: the same bytes go to every worker. */
const encoded = new WeakMap<Learner, MessageSequence>();

/** θ's chunks and, last, the learner that they belong to. */
export function learnerMessages(learner: Learner): MessageSequence {
  let messages = encoded.get(learner);
  if (!messages) {
    const { learnerId, spec, metaParams, paramsSha256, data } = learner;
    messages = encodeLazily([
      ...chunksOf(bytesOfVector(metaParams), paramsSha256).map((payloadChunk) => ({ payloadChunk })),
      { learnerOpened: { learnerId, spec, paramsSha256, data: [...data] } },
    ]);
    encoded.set(learner, messages);
  }
  return messages;
}

/** What the request brings, in chunks, and, last, its lease. */
export function requestMessages({ lease, deadlineMs, learner: { learnerId }, input }: RequestOrder): MessageSequence {
  const { leaseId, attempt, request } = lease;
  const { payloads, work } = workOf(learnerId, input);
  const { requestId } = request.plan;
  return encodeLazily([
    ...payloads.map((payloadChunk) => ({ payloadChunk })),
    { shardLease: { leaseId, requestId, attempt, deadlineMs, ...work } },
  ]);
}

function workOf(learnerId: string, input: RequestInput) {
  const payloadOf = (vector: Float32Array) => payloadOfBytes(bytesOfVector(vector));
  const payloadOfBytes = (bytes: Buffer) => {
    const payloadSha256 = sha256(bytes);
    return { payloadSha256, chunks: chunksOf(bytes, payloadSha256) };
  };
  if (input.work === 'adapt') {
    const { payloadSha256, chunks } = payloadOf(input.support);
    const support = { layout: layoutMessage(input.layout), payloadSha256 };
    const work: Pick<ShardLease, 'adapt'> = { adapt: { learnerId, point: input.point, support } };
    return { payloads: chunks, work };
  }
  if (input.work === 'encode') {
    const { form, items } = input;
    const { payloadSha256, chunks } = payloadOfBytes(Buffer.concat(items));
    const itemBytes = items.map(({ byteLength }) => byteLength);
    const work: Pick<ShardLease, 'encode'> = { encode: { learnerId, form, itemBytes, itemsSha256: payloadSha256 } };
    return { payloads: chunks, work };
  }
  const { layout, state: vector } = input.adapted;
  const [state, inputs] = [payloadOf(vector), payloadOf(input.inputs)];
  const message = { layout: layoutMessage(layout), payloadSha256: state.payloadSha256 };
  const work: Pick<ShardLease, 'predict'> = {
    predict: { learnerId, state: message, inputsSha256: inputs.payloadSha256 },
  };
  return { payloads: [...state.chunks, ...inputs.chunks], work };
}

const layoutMessage = ({ tensors }: ParamsLayout) => ({
  tensors: tensors.map(({ name, shape }) => ({ name, shape: [...shape] })),
});
