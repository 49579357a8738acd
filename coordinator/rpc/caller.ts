// Who makes a call. The door says it, handlers ask; a client cannot, since nothing of it is in what the client sends.
import type { Metadata } from '@grpc/grpc-js';
import type { Caller } from '../access/authentication.ts';

const nobody: Caller = { name: '', roles: new Set() };

const callers = new WeakMap<Metadata, Caller>();

export function admitAs(metadata: Metadata, caller: Caller): void {
  callers.set(metadata, caller);
}

/** Who made the call with this metadata. What the door has not let in with a token is nobody. */
export const callerOf = (metadata: Metadata): Caller => callers.get(metadata) ?? nobody;
