// Who observes takes what it wants to hear of.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { everyone, type ObserverOf } from '../../../shared/observers.ts';

interface Happenings {
  readonly begun: { readonly at: number };
  readonly ended: { readonly reason: string };
  readonly forgotten: { readonly id: string };
}

test('each is told of what it takes, in order, and of nothing else', () => {
  const told: string[] = [];
  const first: ObserverOf<Happenings> = {
    begun: ({ at }) => told.push(`first: begun at ${at}`),
    ended: ({ reason }) => told.push(`first: ended, ${reason}`),
  };
  const second: ObserverOf<Happenings> = { begun: ({ at }) => told.push(`second: begun at ${at}`) };
  const observer = everyone([first, second]);
  observer.begun?.({ at: 3 });
  observer.ended?.({ reason: 'done' });
  assert.deepEqual(told, ['first: begun at 3', 'second: begun at 3', 'first: ended, done']);
});

test('nothing is there for what nobody takes', () => {
  const observer: ObserverOf<Happenings> = everyone([{ begun: () => {} }, {}]);
  assert.deepEqual(Object.keys(observer), ['begun']);
  assert.deepEqual(everyone([]), {});
});
