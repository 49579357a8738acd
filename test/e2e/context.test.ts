// `metatrain --context`: the coordinator's Service is found by kubectl, a port is forwarded, and
// kubectl ends with the command. kubectl is a stand-in here; with a real one and a real cluster:
// test/kubernetes/context.test.ts.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hashOfSecret, newSecret } from '../../shared/tokens.ts';
import { metatrain, resultOf, startCommand, untilGone } from '../support/command.ts';
import { type FakeCluster, fakeKubectl } from '../support/fake-kubectl.ts';
import { sinusoidSpec } from '../support/job-specs.ts';
import { TestProcess } from '../support/processes.ts';

const commandLine = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'client', 'cli', 'main.js');
const usual = { context: 'lab', ownNamespace: 'default' };
const coordinatorService = { name: 'metatrain-coordinator', namespace: 'ml' };
const headless = { name: 'metatrain-coordinator-headless', namespace: 'ml', isHeadless: true };

function directoryOf(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-context-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function startCoordinator(t: TestContext, directory: string, flags: readonly string[] = []): Promise<string> {
  const usualFlags = ['--listen', '127.0.0.1:0', '--http', 'off', '--log-level', 'warn'];
  const state = ['--state-dir', join(directory, 'state')];
  const coordinator = new TestProcess(t, 'coordinator/main.js', [...usualFlags, ...state, ...flags]);
  return (await coordinator.ready<{ address: string }>()).address;
}

test('--context reaches the coordinator of any namespace, with TLS by its name in the cluster and a token, and leaves no kubectl', async (t) => {
  const directory = directoryOf(t);
  const file = (name: string) => join(directory, name);
  // As an issuer in the cluster would: no name of this machine.
  execFileSync(process.execPath, [commandLine, 'certs', '--out', directory, '--host', 'metatrain-coordinator.ml.svc']);
  const secret = newSecret();
  writeFileSync(file('token'), secret, { mode: 0o600 });
  const entry = { name: 'ann', sha256: hashOfSecret(secret), roles: ['submit', 'read'] };
  writeFileSync(file('tokens.jsonl'), `${JSON.stringify(entry)}\n`, { mode: 0o600 });
  const tls = ['--tls-cert', file('coordinator.pem'), '--tls-key', file('coordinator-key.pem')];
  const target = await startCoordinator(t, directory, [...tls, '--tokens', file('tokens.jsonl')]);
  const kubectl = fakeKubectl(t, { ...usual, target, services: [headless, coordinatorService] });
  const connection = ['--tls-ca', file('ca.pem')];
  const run = (args: readonly string[], variables: Record<string, string> = {}) =>
    metatrain(t, [...args, ...connection, '--json'], {
      ...kubectl.environment,
      METATRAIN_TOKEN: secret,
      // A flag goes before a variable.
      METATRAIN_COORDINATOR: '127.0.0.1:1',
      ...variables,
    });
  for (const [args, variables] of [
    [['workers', '--context', 'lab'], {}],
    [['workers', '--context', 'lab', '--namespace', 'ml'], {}],
    [['jobs', 'list'], { METATRAIN_CONTEXT: 'lab', METATRAIN_NAMESPACE: 'ml' }],
  ] as const) {
    const result = await run(args, variables);
    assert.equal(result.code, 0, result.stderr);
    assert.deepEqual(result.json(), args[0] === 'workers' ? { workers: [] } : { jobs: [], hasMore: false });
  }
  const calls = kubectl.calls();
  const forwards = calls.filter(({ args }) => args.includes('port-forward'));
  assert.deepEqual(
    forwards.map(({ args }) => args.slice(0, -1).join(' ')),
    Array(3).fill('--context lab --namespace ml port-forward --address 127.0.0.1 service/metatrain-coordinator'),
  );
  assert.deepEqual(
    calls.flatMap(({ variables }) => variables),
    [],
    'kubectl is told no token',
  );
  await untilGone(forwards.map(({ pid }) => pid));
});

test('when kubectl ends under a command that waits, it is started again on the same port, and nothing is missed', async (t) => {
  const directory = directoryOf(t);
  const target = await startCoordinator(t, directory);
  const job = join(directory, 'job.json');
  writeFileSync(job, sinusoidSpec('watched'));
  const submitted = await metatrain(t, ['submit', job, '--coordinator', target]);
  assert.equal(submitted.code, 0, submitted.stderr);
  const [jobId = ''] = submitted.stdout;
  const kubectl = fakeKubectl(t, { ...usual, target, services: [coordinatorService] });
  const watch = startCommand(t, ['jobs', 'watch', jobId, '--context', 'lab'], kubectl.environment);
  await watch.stderrSays(/\S/);
  const forwards = () => kubectl.calls().filter(({ args }) => args.includes('port-forward'));
  const [first] = forwards();
  process.kill(first!.pid, 'SIGKILL');
  await untilGone([first!.pid]);
  const flags = ['--coordinator', target, '--slots', '1', '--log-level', 'warn'];
  await new TestProcess(t, 'worker/main.js', flags).ready();
  const watched = await resultOf(watch);
  assert.equal(watched.code, 0, watched.stderr);
  assert.equal(forwards().length, 2);
  await untilGone(forwards().map(({ pid }) => pid));
});

test('what --context cannot find, it names, with what there is', async (t) => {
  const fails = async (
    args: readonly string[],
    cluster: Partial<FakeCluster>,
    reason: RegExp,
    { code = 1, environment = {} as Record<string, string> } = {},
  ) => {
    const kubectl = fakeKubectl(t, { ...usual, services: [], ...cluster });
    const result = await metatrain(t, ['workers', ...args], { ...kubectl.environment, ...environment });
    assert.match(result.stderr, reason);
    assert.equal(result.code, code, result.stderr);
  };
  const lab = ['--context', 'lab'];
  await fails(lab, {}, /there is no kubectl in PATH; install it, or give --coordinator/, {
    environment: { PATH: '/nowhere' },
  });
  await fails(['--context', 'lub'], {}, /^error: --context: got "lub"; accepted: lab, other$/m);
  await fails(
    lab,
    {},
    /no coordinator of the context lab: no service has the labels app\.kubernetes\.io\/name=metatrain/,
  );
  const services = [coordinatorService];
  await fails(
    [...lab, '--namespace', 'a'],
    { services },
    /no coordinator in the namespace a of lab: .*without --namespace/,
  );
  const two = [coordinatorService, { name: 'metatrain-coordinator', namespace: 'b' }];
  await fails(
    lab,
    { services: two },
    /2 coordinators of the context lab: b\/metatrain-coordinator, ml\/metatrain-coordinator; choose one with --namespace/,
  );
  const twins = [coordinatorService, { name: 'second-coordinator', namespace: 'ml' }];
  await fails(
    [...lab, '--namespace', 'ml'],
    { services: twins },
    /2 coordinators .* ml\/second-coordinator; forward a port/,
  );
  await fails(lab, { services }, /^error: --context: kubectl failed: unable to forward port 7420$/m);
  await fails([...lab, '--coordinator', '127.0.0.1:1'], {}, /--context and --coordinator exclude each other/, {
    code: 2,
  });
  await fails(['--namespace', 'ml'], {}, /--namespace needs --context/, { code: 2 });
});
