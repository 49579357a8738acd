import assert from 'node:assert/strict';
import test from 'node:test';
import type { Pod } from '../../../../deploy/controller/kube/objects.ts';
import { podProblems } from '../../../../deploy/controller/worker-pods.ts';

const podOf = (status: NonNullable<Pod['status']>): Pod => ({ metadata: { name: 'worker' }, status });

test('equal problems of pods are told once, with their number, the most frequent first', () => {
  const unscheduled = podOf({
    conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/1 nodes' }],
  });
  const image = podOf({
    conditions: [{ type: 'PodScheduled', status: 'True' }],
    containerStatuses: [
      { name: 'worker', state: { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } } },
    ],
  });
  const crashing = podOf({
    containerStatuses: [
      {
        name: 'worker',
        state: { waiting: { reason: 'CrashLoopBackOff' } },
        lastState: { terminated: { reason: 'OOMKilled' } },
      },
    ],
  });
  assert.deepEqual(podProblems([image, unscheduled, crashing, unscheduled], []), [
    '2 × Unschedulable: 0/1 nodes',
    '1 × ImagePullBackOff: container worker: no such image',
    '1 × CrashLoopBackOff: container worker (last ended: OOMKilled)',
  ]);
});

test('a quota that refuses pods, and a Deployment of none, come first', () => {
  const condition = { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'exceeded quota' };
  const metadata = { name: 'metatrain-worker' };
  assert.deepEqual(podProblems([], [{ metadata, spec: { replicas: 3 }, status: { conditions: [condition] } }]), [
    'Deployment metatrain-worker: FailedCreate: exceeded quota',
  ]);
  assert.deepEqual(podProblems([], [{ metadata, spec: { replicas: 0 } }]), [
    'Deployment metatrain-worker has 0 replicas',
  ]);
});

test('pods that run, start or go are no problem', () => {
  const running = podOf({ phase: 'Running', containerStatuses: [{ name: 'worker', ready: true, state: {} }] });
  const starting = podOf({
    containerStatuses: [{ name: 'worker', state: { waiting: { reason: 'ContainerCreating' } } }],
  });
  const leaving: Pod = {
    metadata: { name: 'worker', deletionTimestamp: '2026-12-01T12:00:00Z' },
    status: { containerStatuses: [{ name: 'worker', state: { terminated: { reason: 'Error' } } }] },
  };
  assert.deepEqual(podProblems([running, starting, leaving], []), []);
});
