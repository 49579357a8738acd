// The containers of deploy/kubernetes as plain processes: their very arguments and variables, with
// the pods' names and paths mapped to this machine's, make a cluster that answers its probes, serves
// its metrics, runs a job and ends on SIGTERM.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { get as getHttp } from 'node:http';
import { get as getHttps } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { mergeValues } from '../../../deploy/kubernetes/source/nodes.ts';
import { plainObjects } from '../../../deploy/kubernetes/source/objects.ts';
import { overlays } from '../../../deploy/kubernetes/source/overlay-values.ts';
import { defaults } from '../../../deploy/kubernetes/source/values.ts';
import { packageRoot } from '../../../shared/wire.ts';
import { metatrain } from '../../support/command.ts';
import { type Container, type Probe, workloadsOf } from '../../support/kubernetes-policy.ts';
import { pathOf, withoutPrograms } from '../../support/needs.ts';
import { TestProcess } from '../../support/processes.ts';

/** A pod of an overlay or of base, as this machine can run it. */
interface Pod {
  readonly container: Container;
  readonly graceSeconds: number;
}

function podOf(overlay: string, component: string): Pod {
  const values = overlay === 'base' ? {} : overlays[overlay]!.values;
  const workloads = workloadsOf(plainObjects(mergeValues(defaults, values)));
  const { spec } = workloads.find(({ metadata }) => metadata.name === `metatrain-${component}`)!;
  const pod = spec.template.spec;
  return { container: pod.containers[0]!, graceSeconds: pod.terminationGracePeriodSeconds! };
}

class Machine {
  readonly directory: string;
  /** What is at another place here, longest first. */
  readonly places = new Map<string, string>();
  readonly #t: TestContext;

  constructor(t: TestContext) {
    this.#t = t;
    this.directory = mkdtempSync(join(tmpdir(), 'metatrain-kubernetes-'));
    t.after(() => rmSync(this.directory, { recursive: true, force: true }));
    this.places.set('/state', join(this.directory, 'state'));
    this.places.set('/secrets', join(this.directory, 'secrets'));
  }

  here(text: string): string {
    const mapped = text.replace(/^0\.0\.0\.0:\d+$/, '127.0.0.1:0');
    for (const [there, place] of this.places) if (mapped.startsWith(there)) return mapped.replace(there, place);
    return mapped;
  }

  start({ args = [], env = [] }: Container): TestProcess {
    const variables = env.map(({ name, value = 'worker-0' }) => [name, this.here(value)] as const);
    return new TestProcess(this.#t, 'client/cli/main.js', args, Object.fromEntries(variables));
  }

  /** The Secrets that the overlay secure mounts, made by our own commands. */
  async makeSecrets(): Promise<void> {
    const secrets = join(this.directory, 'secrets');
    for (const folder of ['tls', 'tokens', 'token', 'authority', 'prometheus']) {
      mkdirSync(join(secrets, folder), { recursive: true });
    }
    const certs = join(this.directory, 'certs');
    await this.#run(['certs', '--out', certs, '--host', 'metatrain-coordinator', 'localhost', '127.0.0.1']);
    copyFileSync(join(certs, 'coordinator.pem'), join(secrets, 'tls', 'tls.crt'));
    copyFileSync(join(certs, 'coordinator-key.pem'), join(secrets, 'tls', 'tls.key'));
    for (const folder of ['tls', 'authority']) copyFileSync(join(certs, 'ca.pem'), join(secrets, folder, 'ca.crt'));
    const tokens = ['--tokens', join(secrets, 'tokens', 'tokens.jsonl')];
    for (const [name, roles, folder] of [
      ['workers', 'worker', 'token'],
      ['prometheus', 'read', 'prometheus'],
      ['user', 'submit,read', 'authority'],
    ] as const) {
      const file = join(secrets, folder, 'token');
      await this.#run(['token', 'create', '--name', name, '--roles', roles, ...tokens, '--token-file', file]);
    }
  }

  secret(path: string): string {
    return readFileSync(join(this.directory, 'secrets', path), 'utf8').trim();
  }

  async #run(args: readonly string[]): Promise<void> {
    const { code, stderr } = await metatrain(this.#t, args);
    assert.equal(code, 0, stderr);
  }
}

/** The status of an answer over HTTP, or HTTPS with the authority `ca`. */
async function statusOf(url: string, ca?: string, token?: string): Promise<number> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const request = ca === undefined ? getHttp(url, { headers }) : getHttps(url, { ca, headers });
  const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage];
  response.resume();
  await once(response, 'end');
  return response.statusCode ?? 0;
}

const probesOf = ({ startupProbe, livenessProbe, readinessProbe }: Container): Probe[] =>
  [startupProbe, livenessProbe, readinessProbe].filter((probe) => probe !== undefined);

async function answersItsProbes(container: Container, address: string, ca?: string): Promise<void> {
  for (const { httpGet } of probesOf(container)) {
    const scheme = (httpGet.scheme ?? 'HTTP').toLowerCase();
    assert.equal(await statusOf(`${scheme}://${address}${httpGet.path}`, ca), 200, httpGet.path);
  }
}

async function endsInTime(process: TestProcess, graceSeconds: number): Promise<void> {
  const startedAt = performance.now();
  process.child.kill('SIGTERM');
  assert.deepEqual(await process.exited, { code: 0, signal: null }, process.stderr);
  assert.ok(performance.now() - startedAt < graceSeconds * 1_000);
}

for (const overlay of ['base', 'secure']) {
  test(`${overlay}: the containers' arguments and variables make a cluster with probes and metrics, and it ends within its grace`, async (t) => {
    const machine = new Machine(t);
    const isSecure = overlay === 'secure';
    if (isSecure) await machine.makeSecrets();
    const ca = isSecure ? machine.secret('authority/ca.crt') : undefined;
    const scheme = isSecure ? 'https' : 'http';

    const coordinatorPod = podOf(overlay, 'coordinator');
    const coordinator = machine.start(coordinatorPod.container);
    const ready = await coordinator.ready<{ readonly address: string; readonly http: string }>();
    machine.places.set('metatrain-coordinator:7420', ready.address);
    await answersItsProbes(coordinatorPod.container, ready.http, ca);
    const metrics = `${scheme}://${ready.http}/metrics`;
    const token = isSecure ? machine.secret('prometheus/token') : undefined;
    assert.equal(await statusOf(metrics, ca, token), 200);
    if (isSecure) assert.equal(await statusOf(metrics, ca), 401);

    const workerPod = podOf(overlay, 'worker');
    const worker = machine.start(workerPod.container);
    const { workerId, http } = await worker.ready<{ readonly workerId: string; readonly http: string }>();
    assert.equal(workerId, 'worker-0');
    await answersItsProbes(workerPod.container, http);
    assert.equal(await statusOf(`http://${http}/metrics`), 200);

    const flags = isSecure
      ? [
          '--tls-ca',
          machine.here('/secrets/authority/ca.crt'),
          '--token-file',
          machine.here('/secrets/authority/token'),
        ]
      : [];
    const job = join(packageRoot, 'examples', 'sinusoid.yaml');
    const short = ['--set', 'meta.iterations=20', '--set', 'evaluation.every=0', '--set', 'evaluation.tasks=4'];
    const { code, stderr } = await metatrain(t, [
      ...['submit', job, ...short, '--watch', '--coordinator', ready.address],
      ...flags,
    ]);
    assert.equal(code, 0, stderr);

    await endsInTime(worker, workerPod.graceSeconds);
    await endsInTime(coordinator, coordinatorPod.graceSeconds);
  });
}

const skip = withoutPrograms(['nats-server'], 'the NATS server of deploy/kubernetes as a process');

test('nats: the server takes its arguments, answers its probes, and the coordinator publishes to it', {
  skip,
}, async (t) => {
  const machine = new Machine(t);
  const { container } = podOf('nats', 'nats');
  machine.places.set('--store_dir=/events', `--store_dir=${join(machine.directory, 'events')}`);
  machine.places.set('--http_port=8222', '--http_port=-1');
  const args = [...(container.args ?? []).map((arg) => machine.here(arg)), '--addr=127.0.0.1', '--port=-1'];
  const server = spawn(pathOf('nats-server'), args, { stdio: ['ignore', 'ignore', 'pipe'] });
  t.after(() => server.kill('SIGKILL'));
  let log = '';
  for await (const text of server.stderr.setEncoding('utf8')) {
    log += text;
    if (log.includes('Server is ready')) break;
  }
  const monitor = /Starting http monitor on (\S+)/.exec(log)?.[1];
  assert.match(log, /Starting JetStream/);
  for (const { httpGet } of probesOf(container)) {
    assert.equal(await statusOf(`http://${monitor}${httpGet.path}`), 200, httpGet.path);
  }

  const [, client] = /Listening for client connections on (\S+)/.exec(log) ?? [];
  machine.places.set('nats://metatrain-nats:4222', `nats://${client}`);
  const coordinator = machine.start(podOf('nats', 'coordinator').container);
  await coordinator.stderrSays(/events go to NATS/);
  await coordinator.ready();
});
