// A namespace for one test, under the strictest of the Pod Security profiles, deleted afterwards.
import { randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { kubectl } from './kubectl.ts';

/** Labels that make the API server refuse every pod outside of the *restricted* profile. */
export const restrictedLabels: Readonly<Record<string, string>> = {
  'pod-security.kubernetes.io/enforce': 'restricted',
  'pod-security.kubernetes.io/warn': 'restricted',
};

/**
 * Makes a namespace and deletes it with all that is in it when the test ends.
 *
 * @param prefix begins its name; a random end makes it unique.
 */
export async function namespace(t: TestContext, prefix: string): Promise<string> {
  const name = `${prefix}-${randomBytes(3).toString('hex')}`;
  await createNamespace(name);
  t.after(() => deleteNamespace(name));
  return name;
}

export async function createNamespace(name: string): Promise<void> {
  const object = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: restrictedLabels } };
  await kubectl(['apply', '--filename', '-'], { input: JSON.stringify(object) });
}

/**
 * Deletes a namespace with all that is in it. Its controller ends first, which would put the
 * finalizers on the jobs again that are taken off here.
 */
export async function deleteNamespace(name: string): Promise<void> {
  const here = ['--namespace', name];
  const controllers = ['delete', 'deployments', '--all', ...here, '--cascade=foreground', '--timeout=90s'];
  await kubectl(controllers);
  const definitions = await kubectl(['get', 'crd', '--output=name']);
  if (definitions.includes('/metatrainjobs.metatrain.dev')) {
    const jobs = await kubectl(['get', 'metatrainjobs', ...here, '--output=name']);
    const patch = JSON.stringify({ metadata: { finalizers: null } });
    for (const job of jobs.split('\n').filter((line) => line !== '')) {
      await kubectl(['patch', job, ...here, '--type=merge', '--patch', patch]);
    }
  }
  await kubectl(['delete', 'namespace', name, '--ignore-not-found', '--timeout=100s']);
}
