// Waits for the state of objects by a watch of the API server, without sleeps. A wait that ends
// without success says what the namespace looked like.
import { spawn } from 'node:child_process';
import { resourceNames } from '../../../learning/crd/definition.ts';
import { delay } from '../../../shared/clock.ts';
import { kubectlProgram, tryKubectl } from './kubectl.ts';

/** What every object of Kubernetes has, as far as tests read it. */
export interface KubernetesObject {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid: string;
    readonly generation?: number;
    readonly creationTimestamp: string;
    readonly deletionTimestamp?: string;
    readonly deletionGracePeriodSeconds?: number;
    readonly labels?: Readonly<Record<string, string>>;
  };
}

export interface WaitOptions {
  readonly namespace: string;
  /** Default: 120 s. */
  readonly timeoutMs?: number;
  /** Labels to select by, as kubectl writes them. */
  readonly selector?: string;
}

/**
 * Waits until the objects of a kind (`pods`) or one object (`pods/metatrain-coordinator-0`) are
 * as wanted, and returns them. The predicate sees all present objects, first and after each change.
 *
 * @throws after the time limit, with pods, events and the logs of the namespace.
 */
export async function waitFor<Shape extends KubernetesObject>(
  what: string,
  resource: string,
  { namespace, timeoutMs = 120_000, selector }: WaitOptions,
  isWanted: (objects: readonly Shape[]) => boolean,
): Promise<readonly Shape[]> {
  const [kind = resource, name] = resource.split('/');
  const path = pathOf(kind, namespace);
  const query = new URLSearchParams();
  // A single name that does not exist yet would be an error, a field selector is not.
  if (name !== undefined) query.set('fieldSelector', `metadata.name=${name}`);
  if (selector !== undefined) query.set('labelSelector', selector);
  const givenUpAt = performance.now() + timeoutMs;
  // A watch ends when the API server restarts; then everything is listed again.
  while (performance.now() < givenUpAt) {
    // The whole list before the watch: of a watch alone the predicate would see the first objects only.
    const list = await tryKubectl(['get', '--raw', `${path}?${query}`]);
    if (list.code !== 0) {
      await delay(200);
      continue;
    }
    const { metadata, items } = JSON.parse(list.stdout) as { metadata: { resourceVersion: string }; items: Shape[] };
    const present = new Map(items.map((item) => [item.metadata.uid, item]));
    const since = new URLSearchParams([...query, ['watch', 'true'], ['resourceVersion', metadata.resourceVersion]]);
    const isDone =
      isWanted(items) ||
      (await follow<Shape>(['get', '--raw', `${path}?${since}`], givenUpAt - performance.now(), (type, object) => {
        if (type === 'DELETED') present.delete(object.metadata.uid);
        else present.set(object.metadata.uid, object);
        return isWanted([...present.values()]);
      }));
    if (isDone) return [...present.values()];
  }
  throw new Error(`${timeoutMs / 1000} s passed before ${what}\n${await describeNamespace(namespace)}`);
}

/** Where the API server lists the objects of a kind. */
function pathOf(kind: string, namespace: string): string {
  switch (kind) {
    case 'nodes':
      return '/api/v1/nodes';
    case 'pods':
    case 'serviceaccounts':
      return `/api/v1/namespaces/${namespace}/${kind}`;
    case resourceNames.plural:
      return `/apis/${resourceNames.group}/${resourceNames.version}/namespaces/${namespace}/${kind}`;
    default:
      throw new Error(`waitFor does not know where ${kind} are`);
  }
}

/** True as soon as `see` returns true; false when the watch or the time ends first. */
function follow<Shape>(
  args: readonly string[],
  timeoutMs: number,
  see: (type: string, object: Shape) => boolean,
): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(kubectlProgram, args, { stdio: ['ignore', 'pipe', 'ignore'], timeout: Math.ceil(timeoutMs) });
    let isDone = false;
    const read = jsonReader((value) => {
      const { type, object } = value as { type: string; object: Shape };
      if (isDone || type === 'BOOKMARK' || type === 'ERROR') return;
      isDone = see(type, object);
      if (isDone) child.kill('SIGKILL');
    });
    child.stdout.setEncoding('utf8').on('data', read);
    child.once('close', () => resolve(isDone));
  });
}

/** Cuts a stream of JSON objects, one a line or each in several lines, into objects. */
export function jsonReader(take: (value: unknown) => void): (text: string) => void {
  let rest = '';
  let object = '';
  return (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      object += `${line}\n`;
      // Written in several lines, an object ends with a brace at the beginning of a line.
      if (!(line.startsWith('{') && line.endsWith('}')) && line !== '}') continue;
      take(JSON.parse(object));
      object = '';
    }
  };
}

/** Pods, events and the end of every container's log, for messages of failures. */
export async function describeNamespace(namespace: string): Promise<string> {
  const show = async (...args: string[]) => {
    const { stdout, stderr } = await tryKubectl([...args, '--namespace', namespace]);
    return `$ kubectl ${args.join(' ')}\n${stdout}${stderr}`;
  };
  const pods = await tryKubectl(['get', 'pods', '--namespace', namespace, '--output=name']);
  const names = pods.stdout
    .split('\n')
    .filter((name) => name !== '')
    .slice(0, 10);
  const parts = [
    await show('get', 'pods,statefulsets,deployments,persistentvolumeclaims', '--output=wide'),
    await show('get', 'events', '--sort-by=.lastTimestamp'),
  ];
  for (const name of names) {
    parts.push(await show('logs', name, '--all-containers', '--tail=15'));
    parts.push(await show('logs', name, '--all-containers', '--tail=15', '--previous'));
  }
  return parts.join('\n').slice(-12_000);
}
