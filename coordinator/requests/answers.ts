// Checks what a worker answers to a request against its lease and its learner: kind, layout, lengths, hash,
// and finite. What does not pass is a failed attempt, with the reason for the worker and the caller.
import { checkStateLayout } from '../../learning/request-inputs.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { excerpt } from '../../shared/foreign-text.ts';
import type { ShardResult__Output } from '../../shared/gen/metatrain/v1/ShardResult.ts';
import { elementsOf, layoutElements, vectorOfBytes } from '../../shared/tensor-codec.ts';
import type { RequestLease } from '../core/state.ts';
import type { Answer, Learner, RequestInput } from './request.ts';

/** Finds a payload by its SHA-256 and forgets it; throws when it never came whole. */
type TakePayload = (payloadSha256: Uint8Array) => { readonly bytes: Buffer; release(): void };

/** A state is about as large as θ; this much it may have in any case. */
const smallStateBytes = 2 ** 24;

/** Whether the answer may come with a payload of so many bytes. */
export function mayHavePayload({ job }: Learner, input: RequestInput, payloadBytes: number): boolean {
  if (input.work !== 'adapt') return payloadBytes === 4 * elementsOf(shapeOf(job, input));
  return payloadBytes % 4 === 0 && payloadBytes <= Math.max(smallStateBytes, 2 * 4 * job.parameterCount);
}

/** @throws MetatrainError `REQUEST_INVALID` or `RESULT_NOT_FINITE` */
export function checkAnswer(
  { request }: RequestLease,
  message: ShardResult__Output,
  takePayload: TakePayload,
  { learner, input }: { readonly learner: Learner; readonly input: RequestInput },
): Answer {
  const { requestId, work } = request.plan;
  if (message.requestId !== requestId) throw refused('request_id', message.requestId ?? 'none', requestId);
  if (message.result !== work) throw refused('result', message.result ?? 'nothing', work);
  const vectorOf = (payloadSha256: Uint8Array, elements: number, what: string) => {
    const { bytes, release } = takePayload(payloadSha256);
    const vector = vectorOfBytes(bytes, elements);
    release();
    if (vector.every(Number.isFinite)) return vector;
    throw new MetatrainError('RESULT_NOT_FINITE', `${what} that the worker sent holds a NaN or an infinity`);
  };
  if (input.work === 'adapt') {
    const { layout, payloadSha256 } = message.adapt?.state ?? {};
    const tensors = (layout?.tensors ?? []).map(({ name, shape }) => ({ name, shape: [...shape] }));
    const elements = layoutElements({ tensors });
    checkStateLayout({ tensors }, elements);
    const state = vectorOf(payloadSha256 ?? Buffer.alloc(0), elements, 'the adapted state');
    return { work: 'adapt', layout: { tensors }, state };
  }
  const shape = shapeOf(learner.job, input);
  const { shape: got = [], payloadSha256 = Buffer.alloc(0) } = message[input.work] ?? {};
  if (got.length !== shape.length || !shape.every((size, axis) => size === got[axis])) {
    throw refused(`${work}.shape`, `[${got.slice(0, 8)}]`, `[${shape}]`);
  }
  const elements = elementsOf(shape);
  if (input.work === 'encode') return { work: 'encode', shape, values: vectorOf(payloadSha256, elements, 'an input') };
  return { work: 'predict', shape, outputs: vectorOf(payloadSha256, elements, 'a prediction') };
}

/** Of the predictions, or of the encoded inputs. */
const shapeOf = (
  { task }: Learner['job'],
  input: Exclude<RequestInput, { readonly work: 'adapt' }>,
): readonly number[] =>
  input.work === 'encode'
    ? [input.items.length, ...task.input]
    : [input.inputs.length / elementsOf(task.input), task.outputs];

function refused(field: string, got: string, accepted: string): MetatrainError {
  return new MetatrainError('REQUEST_INVALID', `answer: ${field}: got ${excerpt(got, 200)}; accepted: ${accepted}`);
}
