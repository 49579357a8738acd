// The overlay secure on a real cluster: TLS and tokens everywhere. `metatrain certs` and `metatrain
// token` make what cert-manager and an operator would.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import test, { type TestContext } from 'node:test';
import { home, installOverlay, overlay } from './support/installation.ts';
import { kubectl } from './support/kubectl.ts';
import { createNamespace } from './support/namespace.ts';
import { portForward } from './support/port-forward.ts';
import { applyJob, metatrainCommand, sinusoid, trainedOutside, untilEnded } from './support/training.ts';

test('the overlay secure trains to the bytes from outside, and answers no one without a token', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'metatrain-secure-'));
  t.after(() => rmSync(folder, { recursive: true }));
  await createNamespace(home);
  await makeSecrets(folder);
  await installOverlay(t, secureAndLocal(t, folder));

  await applyJob(home, 'waves', sinusoid(300));
  const { status } = await untilEnded(home, 'waves');
  assert.equal(status?.state, 'Succeeded', status?.message);
  assert.equal(status.paramsSha256, await trainedOutside(sinusoid(300)));

  const address = (await portForward(t, home, 'service/metatrain-coordinator', 7420)).replace('127.0.0.1', 'localhost');
  const connection = ['--coordinator', address, '--tls-ca', join(folder, 'ca.pem')];
  const stranger = await metatrainCommand(['jobs', 'list', ...connection]);
  assert.equal(stranger.code, 1);
  assert.match(stranger.stderr, /UNAUTHENTICATED|token/);
  const reader = await metatrainCommand(['jobs', 'list', ...connection, '--token-file', join(folder, 'reader')]);
  assert.equal(reader.code, 0, reader.stderr);
  assert.match(reader.stdout, /sinusoid/);
});

/** The two Secrets that the overlay reads. */
async function makeSecrets(folder: string): Promise<void> {
  const at = (name: string) => join(folder, name);
  const metatrain = async (...args: string[]) => {
    const { code, stderr } = await metatrainCommand(args);
    assert.equal(code, 0, stderr);
  };
  await metatrain('certs', '--out', folder, '--host', 'metatrain-coordinator', 'localhost', '127.0.0.1');
  const token = (name: string, roles: string) =>
    metatrain(
      'token',
      'create',
      '--name',
      name,
      '--roles',
      roles,
      '--tokens',
      at('tokens.jsonl'),
      '--token-file',
      at(name),
    );
  await token('worker', 'worker');
  await token('controller', 'submit,read');
  await token('prometheus', 'read');
  await token('reader', 'read');
  const secret = (name: string, files: Readonly<Record<string, string>>) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: home },
    stringData: Object.fromEntries(Object.entries(files).map(([key, file]) => [key, readFileSync(at(file), 'utf8')])),
  });
  const items = [
    secret('metatrain-coordinator-tls', {
      'ca.crt': 'ca.pem',
      'tls.crt': 'coordinator.pem',
      'tls.key': 'coordinator-key.pem',
    }),
    secret('metatrain-tokens', {
      'tokens.jsonl': 'tokens.jsonl',
      'worker-token': 'worker',
      'controller-token': 'controller',
      'prometheus-token': 'prometheus',
    }),
  ];
  await kubectl(['apply', '--filename', '-'], { input: JSON.stringify({ apiVersion: 'v1', kind: 'List', items }) });
}

/** The overlay secure with the images and the small requests of the overlay local. */
function secureAndLocal(t: TestContext, scratch: string): string {
  const folder = mkdtempSync(join(scratch, 'overlay-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const patches = [
    'statefulset-metatrain-coordinator',
    'deployment-metatrain-worker',
    'deployment-metatrain-controller',
  ];
  const kustomization = {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: [relative(folder, overlay('secure'))],
    patches: patches.map((name) => ({ patch: readFileSync(join(overlay('local'), `patch-${name}.yaml`), 'utf8') })),
  };
  writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(kustomization));
  return folder;
}
