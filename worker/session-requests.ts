// Reads the leases of requests: work without a job, whose arrays came as payloads just before.
import { type InputForm, inputForms } from '../learning/tasks.ts';
import type { ShardLease__Output } from '../shared/gen/metatrain/v1/ShardLease.ts';
import { layoutElements, type ParamsLayout, vectorOfBytes, viewsOf } from '../shared/tensor-codec.ts';
import type { RequestWork } from './compute/shard.ts';
import { invalid, type TakePayload } from './session-messages.ts';
import type { Lease } from './session-state.ts';

/**
 * @param takePayload throws where the payload did not come whole.
 * @throws MetatrainError `REQUEST_INVALID` naming the field, or what `takePayload` throws.
 */
export function readRequestLease(lease: ShardLease__Output, takePayload: TakePayload): Lease {
  const { leaseId, requestId = '', traceparent } = lease;
  if (!leaseId || !requestId) throw invalid('shard_lease', `lease_id "${leaseId}", request_id "${requestId}"`, 'both');
  const { learnerId, work } = readWork(lease, takePayload);
  if (!learnerId) throw invalid('learner_id', 'nothing', 'a learner that was opened');
  return { leaseId, jobId: learnerId, requestId, work, shard: 0, workKey: `request/${requestId}`, traceparent };
}

function readWork(
  { work, adapt, predict, encode }: ShardLease__Output,
  takePayload: TakePayload,
): { readonly learnerId: string; readonly work: RequestWork } {
  switch (work) {
    case 'adapt': {
      const { learnerId, point, support } = adapt!;
      const [bytes] = takeAll([support?.payloadSha256], takePayload);
      const { layout, vector } = tensorsOf(support?.layout, bytes!);
      return {
        learnerId,
        work: { kind: 'adapt', paramsVersion: 0, request: { support: copiesOf(layout, vector), point } },
      };
    }
    case 'predict': {
      const { learnerId, state, inputsSha256 } = predict!;
      const [stateBytes, inputBytes] = takeAll([state?.payloadSha256, inputsSha256], takePayload);
      const { layout, vector } = tensorsOf(state?.layout, stateBytes!);
      const inputs = vectorOfBytes(inputBytes!, Math.floor(inputBytes!.byteLength / 4));
      const adapted = { layout, state: vector };
      return { learnerId, work: { kind: 'predict', paramsVersion: 0, request: { adapted, inputs } } };
    }
    case 'encode': {
      const { learnerId, form, itemBytes, itemsSha256 } = encode!;
      const [bytes] = takeAll([itemsSha256], takePayload);
      const request = { form: formNamed(form), items: itemsOf(bytes!, itemBytes) };
      return { learnerId, work: { kind: 'encode', paramsVersion: 0, request } };
    }
    case 'initialize':
    case 'train':
    case 'span':
    case 'evaluate':
    case undefined:
      throw invalid('work', work ?? 'nothing', 'adapt, predict or encode');
    default:
      return work satisfies never;
  }
}

function formNamed(name: string): InputForm {
  const form = inputForms.find((known) => known === name);
  if (form) return form;
  throw invalid('form', `"${name}"`, inputForms.join(' or '));
}

/** Copies, since they cross to the thread. */
function itemsOf(bytes: Buffer, itemBytes: readonly number[]): Uint8Array[] {
  const total = itemBytes.reduce((sum, length) => sum + length, 0);
  if (total !== bytes.byteLength) throw invalid('item_bytes', `${total} bytes`, `${bytes.byteLength}, as they came`);
  let end = 0;
  return itemBytes.map((length) => {
    end += length;
    return Uint8Array.from(bytes.subarray(end - length, end));
  });
}

/** All of them, so that none is left behind where one is missing. */
function takeAll(names: readonly (Uint8Array | undefined)[], takePayload: TakePayload): Buffer[] {
  const taken = names.map((name) => {
    try {
      return takePayload(name ?? Buffer.alloc(0));
    } catch (thrown) {
      return { thrown };
    }
  });
  return taken.map((one) => {
    if (Buffer.isBuffer(one)) return one;
    throw one.thrown;
  });
}

function tensorsOf(layout: ParamsLayout | null | undefined, bytes: Buffer) {
  const known: ParamsLayout = { tensors: layout?.tensors ?? [] };
  return { layout: known, vector: vectorOfBytes(bytes, layoutElements(known)) };
}

/** Arrays of their own, since each crosses to the thread by itself. */
const copiesOf = (layout: ParamsLayout, vector: Float32Array): Record<string, Float32Array> =>
  Object.fromEntries(Object.entries(viewsOf(layout, vector)).map(([name, view]) => [name, view.slice()]));
