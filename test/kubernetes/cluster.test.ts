// The cluster itself: what the other tests rely on.
import assert from 'node:assert/strict';
import test from 'node:test';
import { kubectl, tryKubectl } from './support/kubectl.ts';
import { namespace } from './support/namespace.ts';
import { isReady, type Pod } from './support/pods.ts';
import { waitFor } from './support/wait-for.ts';

const pod = (securityContext: object) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'waiting' },
    spec: {
      automountServiceAccountToken: false,
      containers: [{ name: 'waiting', image: 'localhost/pause:1', imagePullPolicy: 'Never', securityContext }],
    },
  });

const restricted = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  runAsNonRoot: true,
  runAsUser: 1000,
  seccompProfile: { type: 'RuntimeDefault' },
};

test('a pod under the restricted profile runs, and answers its SIGTERM', async (t) => {
  const space = await namespace(t, 'cluster');
  await waitFor('the service account', 'serviceaccounts/default', { namespace: space }, (found) => found.length > 0);
  await kubectl(['apply', '--namespace', space, '--filename', '-'], { input: pod(restricted) });
  await waitFor<Pod>(
    'the pod',
    'pods/waiting',
    { namespace: space },
    ([found]) => found !== undefined && isReady(found),
  );
  await kubectl(['delete', 'pod', 'waiting', '--namespace', space, '--timeout=10s']);
});

test('a pod outside of the restricted profile is refused', async (t) => {
  const space = await namespace(t, 'cluster');
  await waitFor('the service account', 'serviceaccounts/default', { namespace: space }, (found) => found.length > 0);
  const { code, stderr } = await tryKubectl(['apply', '--namespace', space, '--filename', '-'], { input: pod({}) });
  assert.equal(code, 1);
  assert.match(stderr, /violates PodSecurity "restricted:latest"/);
});
