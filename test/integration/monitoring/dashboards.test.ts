// A real Prometheus scrapes a real coordinator and two real workers while two real jobs run, and every
// expression of every panel returns data. They speak TLS, so that there are certificates whose expiry a
// panel shows. Nothing fails in this run on purpose: what panels show of faults (retries, quarantine,
// recovery, dropped events) is a count that exists from the start, at zero; core-leases, quarantine and
// cluster-metrics tests are where those counts move.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { MetatrainClient } from '../../../client/index.ts';
import { type Coordinator, startCoordinator } from '../../../coordinator/main.ts';
import { connectionTo } from '../../../shared/connection.ts';
import { metatrain } from '../../support/command.ts';
import { panelQueries, rulesFile, variableQueries } from '../../support/dashboards.ts';
import { NatsServer } from '../../support/nats-server.ts';
import { withoutPrograms } from '../../support/needs.ts';
import { TestProcess } from '../../support/processes.ts';
import { Prometheus, promtool } from '../../support/prometheus.ts';
import { smallFixture } from '../../unit/learning/omniglot-fixture.ts';
import { streamLimits } from '../events/with-nats.ts';

const skip = withoutPrograms(['prometheus', 'promtool', 'nats-server'], 'every panel returns data from a real run');

/** Longer than any test waits: they are cancelled. */
const endless = { iterations: 10_000_000, batchSize: 8, optimizer: { name: 'adam', learningRate: 0.001 } };
const often = { every: 10, tasks: 8, innerSteps: 2 };

const sinusoidJob = JSON.stringify({
  name: 'regression',
  task: { distribution: 'sinusoid', shots: 5 },
  model: { architecture: 'mlp', hiddenLayers: [8] },
  algorithm: { name: 'maml', innerSteps: 1, innerLearningRate: 0.01 },
  meta: endless,
  evaluation: often,
  checkpoint: { every: 20, keep: 1 },
  placement: { shardSize: 2 },
});

const omniglotJob = JSON.stringify({
  name: 'classification',
  task: { distribution: 'omniglot', dataSet: 'small', ways: 3, shots: 1, queries: 2 },
  model: { architecture: 'conv4', filters: 2 },
  algorithm: { name: 'maml', innerSteps: 1, innerLearningRate: 0.1 },
  meta: { ...endless, batchSize: 4 },
  evaluation: { ...often, tasks: 4 },
  checkpoint: { every: 20, keep: 1 },
  placement: { shardSize: 2 },
});

interface Cluster {
  readonly coordinator: Coordinator;
  readonly client: MetatrainClient;
  readonly prometheus: Prometheus;
  /** What each process exposes, the coordinator first. */
  readonly expositions: readonly (() => Promise<string>)[];
}

async function start(test: TestContext): Promise<Cluster> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'metatrain-monitoring-'));
  test.after(() => rmSync(stateDirectory, { recursive: true, force: true }));
  const fixture = smallFixture();
  test.after(() => fixture.remove());
  const nats = await NatsServer.start(test);
  const certificates = join(stateDirectory, 'certificates');
  await metatrain(test, ['certs', '--out', certificates]);
  const pem = (name: string) => join(certificates, `${name}.pem`);
  const here = { host: '127.0.0.1', port: 0 };
  const coordinator = await startCoordinator({
    stateDirectory,
    ...here,
    http: here,
    security: { tls: { cert: pem('coordinator'), key: pem('coordinator-key') } },
    nats: { servers: [nats.url], stream: streamLimits },
    limits: { endedJobSeriesMs: 2_000, closeGraceMs: 500 },
  });
  test.after(() => coordinator.close());
  const flags = [
    ...['--coordinator', coordinator.address, '--slots', '1', '--http', '127.0.0.1:0'],
    ...['--tls-ca', pem('ca'), '--tls-cert', pem('client'), '--tls-key', pem('client-key')],
  ];
  const starting = ['one', 'two'].map((workerId) =>
    new TestProcess(test, 'worker/main.js', [
      ...flags,
      ...['--worker-id', workerId, '--data-dir', fixture.directory],
    ]).ready<{ http: string }>(),
  );
  const workers = (await Promise.all(starting)).map(({ http }) => http);
  const ca = readFileSync(pem('ca'));
  const expositions = [
    () => readSecured(`https://${coordinator.http}/metrics`, ca),
    ...workers.map((target) => async () => (await fetch(`http://${target}/metrics`)).text()),
  ];
  const secured = { scheme: 'https', tls_config: { ca_file: pem('ca') } };
  const scrapes = [
    { job_name: 'metatrain-coordinator', ...secured, static_configs: [{ targets: [coordinator.http] }] },
    { job_name: 'metatrain-workers', static_configs: [{ targets: workers }] },
  ];
  const prometheus = await Prometheus.start(test, scrapes, { ruleFiles: [rulesFile] });
  const connection = connectionTo(coordinator.address, { tlsCa: pem('ca') });
  const client = new MetatrainClient({ address: coordinator.address, connection });
  test.after(() => client.close());
  return { coordinator, client, prometheus, expositions };
}

const readSecured = (url: string, ca: Buffer): Promise<string> =>
  new Promise((resolve, reject) => {
    get(url, { ca, agent: false }, (answer) => text(answer).then(resolve, reject)).once('error', reject);
  });

test('every expression of every panel returns data from a real run, and a job’s series end with it', {
  skip,
}, async (t) => {
  const { client, prometheus, expositions } = await start(t);
  const jobIds: string[] = [];
  for (const spec of [sinusoidJob, omniglotJob]) jobIds.push((await client.submitJob(spec)).jobId);

  await t.test('every expression of every panel', async () => {
    const missing = new Map(panelQueries().map((query) => [`${query.where}: ${query.expression}`, query]));
    assert.ok(missing.size > 100);
    await prometheus.until(
      async () => {
        // A call with an answer, of which the panels of the calls tell.
        for (const jobId of jobIds) await client.getJob(jobId);
        // And a request of a trained model, which needs a checkpoint.
        if ((await client.getJob(jobIds[0]!)).checkpoints.length > 0) {
          const support = { inputs: { numbers: [1, 2] }, targets: [0.5, 0.7] };
          await client.models.predict({ jobId: jobIds[0]!, support }, { numbers: [1.5] });
        }
        for (const [key, { expression }] of missing) {
          // A panel of one job must have data of one of them.
          const wanted = expression.includes('$job_id') ? jobIds : [''];
          for (const jobId of wanted) {
            const samples = await prometheus.query(filledIn(expression, jobId));
            if (samples.some(({ value }) => Number.isFinite(value))) missing.delete(key);
          }
        }
        return missing.size === 0 || undefined;
      },
      () => `no data for\n${[...missing.keys()].join('\n')}`,
      90_000,
    );
  });

  await t.test('every variable of every dashboard', async () => {
    for (const { where, expression } of variableQueries()) {
      const [, series, label] = /^label_values\((.+), (\w+)\)$/.exec(expression) ?? [];
      assert.ok(series && label, `${where}: ${expression}`);
      const values = await prometheus.ask<string[]>(`label/${label}/values`, {
        'match[]': filledIn(series.replace('$name', 'regression'), jobIds[0]!),
      });
      assert.ok(values.length > 0, `${where}: ${expression}`);
    }
  });

  await t.test('promtool accepts what each process exposes', async () => {
    for (const expose of expositions) {
      const exposition = await expose();
      assert.match(exposition, /^metatrain_/m);
      assert.deepEqual(promtool(['check', 'metrics'], exposition), { isContent: true, said: '' });
    }
  });

  await t.test('Prometheus evaluates every alert, and none fires', async () => {
    type Rules = { groups: { rules: { name: string; health: string; state: string; lastError?: string }[] }[] };
    const rules = await prometheus.until(
      async () => {
        const found = (await prometheus.ask<Rules>('rules')).groups.flatMap(({ rules }) => rules);
        return found.length > 0 && found.every(({ health }) => health !== 'unknown') ? found : undefined;
      },
      () => 'rules that were not evaluated',
    );
    for (const { name, health, state, lastError } of rules) {
      assert.equal(health, 'ok', `${name}: ${lastError}`);
      assert.notEqual(state, 'firing', name);
    }
  });

  await t.test('the last values of a job are scraped, and then its series are gone', async () => {
    for (const jobId of jobIds) await client.cancelJob(jobId);
    for (const jobId of jobIds) {
      const { steps } = await client.getJob(jobId);
      const lastValue = `last_over_time(metatrain_job_meta_steps{job_id="${jobId}"}[1m])`;
      await prometheus.until(
        async () => (await prometheus.query(lastValue)).some(({ value }) => value === steps) || undefined,
        () => `${steps} meta-steps of job ${jobId} were not scraped`,
      );
    }
    await prometheus.until(
      async () => !(await expositions[0]!()).includes('job_id=') || undefined,
      () => 'the series of ended jobs are still exposed',
    );
    await prometheus.until(
      async () => (await prometheus.query('count({job_id!=""})')).length === 0 || undefined,
      () => 'the series of ended jobs are still live in Prometheus',
    );
  });
});

/** As Grafana fills in its own variables and ours. */
const filledIn = (expression: string, jobId: string): string =>
  expression
    .replaceAll('$__rate_interval', '5s')
    .replaceAll('$job_id', jobId)
    .replaceAll('$measure', 'loss')
    .replaceAll('$instance', '.*');
