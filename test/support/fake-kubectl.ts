// An executable named kubectl that answers like the real one for what `metatrain --context` asks,
// and forwards its port to a real coordinator. Which services there are is the test's.
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

export interface FakeService {
  readonly name: string;
  readonly namespace: string;
  readonly isHeadless?: boolean;
}

export interface FakeCluster {
  /** By context; the first service's namespace is the context's own unless `default` is given. */
  readonly services: readonly FakeService[];
  readonly context: string;
  readonly ownNamespace: string;
  /** HOST:PORT that is forwarded to. */
  readonly target?: string;
}

/** @returns the environment in which `kubectl` is this one, and what it was called with. */
export function fakeKubectl(t: TestContext, cluster: FakeCluster) {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-kubectl-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'kubectl');
  const calls = join(directory, 'calls.jsonl');
  writeFileSync(calls, '');
  writeFileSync(file, `#!${process.execPath}\n${program(cluster, calls)}`);
  chmodSync(file, 0o755);
  const read = () =>
    readFileSync(calls, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map(
        (line) => JSON.parse(line) as { readonly pid: number; readonly args: string[]; readonly variables: string[] },
      );
  return { environment: { PATH: `${directory}:${process.env.PATH}` }, calls: read };
}

const program = (cluster: FakeCluster, calls: string) => `
const cluster = ${JSON.stringify(cluster)};
const args = process.argv.slice(2);
const variables = Object.keys(process.env).filter((name) => name.startsWith('METATRAIN_'));
require('node:fs').appendFileSync(${JSON.stringify(calls)}, JSON.stringify({ pid: process.pid, args, variables }) + '\\n');
const flag = (name) => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
const fail = (text) => {
  process.stderr.write('error: ' + text + '\\n');
  process.exit(1);
};
if (args[0] === 'config') {
  process.stdout.write(cluster.context + '\\nother\\n');
  process.exit(0);
}
if (flag('--context') !== cluster.context) {
  fail('context was not found for specified context: ' + flag('--context'));
}
if (args.includes('get')) {
  const namespace = args.includes('--all-namespaces') ? undefined : (flag('--namespace') ?? cluster.ownNamespace);
  const items = cluster.services
    .filter((service) => namespace === undefined || service.namespace === namespace)
    .map(({ name, namespace, isHeadless }) => ({
      metadata: { name, namespace },
      spec: { clusterIP: isHeadless ? 'None' : '10.0.0.1', ports: [{ name: 'grpc', port: 7420 }, { name: 'http', port: 7421 }] },
    }));
  process.stdout.write(JSON.stringify({ items }));
} else if (args.includes('port-forward')) {
  const [local, port] = args.at(-1).split(':');
  if (port !== '7420' || cluster.target === undefined) fail('unable to forward port ' + port);
  const net = require('node:net');
  const [host, targetPort] = cluster.target.split(':');
  const server = net.createServer((socket) => {
    const out = net.connect(Number(targetPort), host);
    socket.pipe(out).pipe(socket);
    socket.on('error', () => out.destroy());
    out.on('error', () => socket.destroy());
  });
  server.listen(Number(local), '127.0.0.1', () => {
    console.log('Forwarding from 127.0.0.1:' + server.address().port + ' -> 7420');
  });
}
`;
