// A port of 127.0.0.1 that leads to a pod or a Service, until the test ends.
import type { TestContext } from 'node:test';
import { RunningKubectl } from './kubectl.ts';

/**
 * @param target for example `service/metatrain-coordinator`.
 * @returns the local address, `127.0.0.1:PORT`.
 */
export async function portForward(t: TestContext, namespace: string, target: string, port: number): Promise<string> {
  const forward = new RunningKubectl(t, ['port-forward', '--namespace', namespace, target, `:${port}`]);
  const line = await forward.line((text) => text.startsWith('Forwarding from 127.0.0.1:'), `a port of ${target}`);
  return line.split(' ')[2]!;
}
