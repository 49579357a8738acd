// `metatrain --context` with the real kubectl and a coordinator in a pod: found by its labels,
// reached through a forwarded port, also after its pod was replaced.
import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import test from 'node:test';
import { metatrain, startCommand } from '../support/command.ts';
import { kubectl, kubectlProgram } from './support/kubectl.ts';
import { namespace } from './support/namespace.ts';

const labels = {
  'app.kubernetes.io/name': 'metatrain',
  'app.kubernetes.io/component': 'coordinator',
  'app.kubernetes.io/part-of': 'metatrain',
};

function objects(): unknown {
  const security = {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  };
  const coordinator = {
    name: 'coordinator',
    image: 'localhost/metatrain-coordinator:dev',
    imagePullPolicy: 'Never',
    args: ['coordinator', '--insecure', '--listen', '0.0.0.0:7420', '--http', '0.0.0.0:7421', '--state-dir', '/state'],
    ports: [{ name: 'grpc', containerPort: 7420 }],
    readinessProbe: { httpGet: { path: '/readyz', port: 7421 }, periodSeconds: 1 },
    securityContext: security,
    volumeMounts: [
      { name: 'state', mountPath: '/state' },
      { name: 'tmp', mountPath: '/tmp' },
    ],
  };
  const pod = {
    metadata: { labels },
    spec: {
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 1000,
        fsGroup: 1000,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [coordinator],
      volumes: [
        { name: 'state', emptyDir: {} },
        { name: 'tmp', emptyDir: {} },
      ],
    },
  };
  const service = (name: string, spec: Record<string, unknown>) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, labels },
    spec: { selector: labels, ports: [{ name: 'grpc', port: 7420, targetPort: 'grpc' }], ...spec },
  });
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'lab-coordinator', labels },
    spec: { replicas: 1, selector: { matchLabels: labels }, template: pod },
  };
  const items = [deployment, service('lab-coordinator', {}), service('lab-headless', { clusterIP: 'None' })];
  return { apiVersion: 'v1', kind: 'List', items };
}

test('--context reaches a coordinator in a pod, goes on after its pod was replaced, and names what there is not', async (t) => {
  const ns = await namespace(t, 'context');
  await kubectl(['apply', '--namespace', ns, '--filename', '-'], { input: JSON.stringify(objects()) });
  const isRolledOut = ['rollout', 'status', 'deployment/lab-coordinator', '--namespace', ns, '--timeout=100s'];
  await kubectl(isRolledOut);
  const context = (await kubectl(['config', 'current-context'])).trim();
  const environment = { PATH: `${dirname(kubectlProgram)}:${process.env.PATH}` };
  const there = ['--context', context, '--namespace', ns];
  const listed = await metatrain(t, ['workers', ...there, '--json'], environment);
  assert.equal(listed.code, 0, listed.stderr);
  assert.deepEqual(listed.json(), { workers: [] });

  const events = startCommand(t, ['events', ...there, '--json', '--since', '1'], environment);
  const submit = ['submit', 'examples/sinusoid.yaml', ...there];
  assert.equal((await metatrain(t, submit, environment)).code, 0);
  await events.line();
  await kubectl(['delete', 'pod', '--selector', 'app.kubernetes.io/component=coordinator', '--namespace', ns]);
  await kubectl(isRolledOut);
  const again = await metatrain(t, submit, environment);
  assert.equal(again.code, 0, again.stderr);

  const wrong = await metatrain(t, ['workers', '--context', 'no-such-context'], environment);
  assert.match(wrong.stderr, /--context: got "no-such-context"; accepted: /);
  const none = await metatrain(t, ['workers', '--context', context, '--namespace', 'kube-system'], environment);
  assert.match(none.stderr, /there is no coordinator in the namespace kube-system/);
});
