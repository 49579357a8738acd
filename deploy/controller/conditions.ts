// The conditions of a MetaTrainJob. Pure. Invariant: a condition's time changes exactly when its
// status does.
import { boundText } from '../../shared/foreign-text.ts';
import type { Condition } from './kube/objects.ts';

export const conditionTypes = [
  'Accepted',
  'Running',
  'Suspended',
  'Complete',
  'Failed',
  'WorkersAvailable',
  'CoordinatorReachable',
] as const;
export type ConditionType = (typeof conditionTypes)[number];

/** Status, reason and message of each condition. An absent condition is left out of the status. */
export type Claims = { readonly [Type in ConditionType]?: Claim | undefined };

export interface Claim {
  readonly status: Condition['status'];
  readonly reason: string;
  readonly message?: string;
}

/** Of a message in a status, before unprintable characters are escaped, each as up to six for a byte. */
export const maxMessageBytes = 2_048;

/** @param now RFC 3339. */
export function conditionsOf(
  claims: Claims,
  before: readonly Condition[],
  { now, generation }: { readonly now: string; readonly generation: number | undefined },
): Condition[] {
  return conditionTypes.flatMap((type) => {
    const claim = claims[type];
    if (!claim) return [];
    const { status, reason, message = '' } = claim;
    const known = before.find((condition) => condition.type === type);
    return [
      {
        type,
        status,
        ...(generation !== undefined && { observedGeneration: generation }),
        lastTransitionTime: known?.status === status ? known.lastTransitionTime : now,
        reason,
        message: boundText(message, maxMessageBytes),
      },
    ];
  });
}

export const yes = (reason: string, message?: string): Claim => claim('True', reason, message);
export const no = (reason: string, message?: string): Claim => claim('False', reason, message);
export const unknown = (reason: string, message?: string): Claim => claim('Unknown', reason, message);

const claim = (status: Condition['status'], reason: string, message: string | undefined): Claim => ({
  status,
  reason,
  ...(message !== undefined && { message }),
});

/** `SHARD_FAILED` and `noWorker` → `ShardFailed` and `NoWorker`. */
export const reasonWord = (code: string): string => {
  const words = /^[A-Z0-9_]+$/.test(code) ? code.toLowerCase().split('_') : [code];
  return words.map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`).join('') || 'Unknown';
};
