// docs/monitoring.md's way for Prometheus to read a coordinator that asks for TLS and a token: a real Prometheus, with and without the token.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { withoutPrograms } from '../../support/needs.ts';
import { Prometheus } from '../../support/prometheus.ts';
import { SecuredCluster, token } from '../security/secured-cluster.ts';

const commandLine = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', 'client', 'cli', 'main.js');
const skip = withoutPrograms(['prometheus'], 'Prometheus reads a coordinator that asks for TLS and a token');

test('Prometheus is served with the authority and a reading token, and refused without the token', {
  skip,
}, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-scrape-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  execFileSync(process.execPath, [commandLine, 'certs', '--out', directory]);
  const reader = token('prometheus', ['read']);
  const tokenFile = join(directory, 'prometheus.token');
  writeFileSync(tokenFile, `${reader.secret}\n`);
  const tls = { cert: join(directory, 'coordinator.pem'), key: join(directory, 'coordinator-key.pem') };
  const { coordinator } = await SecuredCluster.start(t, [reader], {
    http: { host: '127.0.0.1', port: 0 },
    security: { tls },
  });
  const scrape = {
    scheme: 'https',
    tls_config: { ca_file: join(directory, 'ca.pem') },
    static_configs: [{ targets: [coordinator.http] }],
  };
  const authorization = { type: 'Bearer', credentials_file: tokenFile };
  const prometheus = await Prometheus.start(t, [
    { job_name: 'with', ...scrape, authorization },
    { job_name: 'without', ...scrape },
  ]);
  type Targets = { activeTargets: { labels: { job: string }; health: string; lastError: string }[] };
  const targets = await prometheus.until(
    async () => {
      const { activeTargets } = await prometheus.ask<Targets>('targets');
      return activeTargets.every(({ health }) => health !== 'unknown') && activeTargets.length === 2
        ? activeTargets
        : undefined;
    },
    () => 'targets that were not scraped',
  );
  const byJob = new Map(targets.map((target) => [target.labels.job, target]));
  assert.deepEqual([byJob.get('with')?.health, byJob.get('with')?.lastError], ['up', '']);
  const expiry = await prometheus.until(
    async () => {
      const samples = await prometheus.query(
        'metatrain_certificate_expiry_timestamp_seconds{certificate="server"} - time()',
      );
      return samples.length > 0 ? samples : undefined;
    },
    () => 'the expiry of the certificate',
  );
  assert.ok(expiry[0]!.value > 86_400, `${expiry[0]!.value} s`);
  assert.equal(byJob.get('without')?.health, 'down');
  assert.match(byJob.get('without')?.lastError ?? '', /HTTP status 401/);
});
