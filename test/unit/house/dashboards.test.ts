// What is measured is looked at, and what is looked at is measured: metrics, dashboards and alerts name the same things.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { generateDashboards } from '../../../deploy/grafana/source/boards.ts';
import { metricFacts, withMetricTables } from '../../../deploy/grafana/source/metric-tables.ts';
import type { MetricFacts } from '../../../shared/metrics/meter.ts';
import { packageRoot } from '../../../shared/wire.ts';
import {
  alertRules,
  dashboardsDirectory,
  metricsIn,
  panelQueries,
  panelsOf,
  variableQueries,
} from '../../support/dashboards.ts';

const { coordinator, job, worker, controller, process: ofProcess } = metricFacts();
const ours = [...coordinator, ...job, ...worker];
const facts = [...ours, ...ofProcess];
const alerts = alertRules().map(({ alert, expr }) => ({ where: alert, expression: expr }));

/** The names under which Prometheus knows a metric. */
const seriesOf = ({ name, type }: MetricFacts): string[] =>
  type === 'histogram' ? ['_bucket', '_sum', '_count'].map((part) => `${name}${part}`) : [name];

test('the dashboards are what their sources generate', () => {
  for (const [file, text] of generateDashboards()) {
    const message = `deploy/grafana/dashboards/${file} is stale: run npm run monitoring and commit the result`;
    assert.ok(readFileSync(join(dashboardsDirectory, file), 'utf8') === text, message);
  }
  assert.equal(generateDashboards().size, new Set(panelsOf().map(({ file }) => file)).size);
});

test('docs/monitoring.md lists the metrics as they are', () => {
  const page = readFileSync(join(packageRoot, 'docs', 'monitoring.md'), 'utf8');
  assert.ok(
    withMetricTables(page) === page,
    'docs/monitoring.md is stale: run npm run monitoring and commit the result',
  );
});

test('every metric is on a panel or in an alert', () => {
  assert.ok(facts.length > 80, `only ${facts.length} metrics were found`);
  const shown = new Set([...panelQueries(), ...alerts].flatMap(({ expression }) => metricsIn(expression)));
  const unseen = facts.filter((metric) => !seriesOf(metric).some((series) => shown.has(series)));
  assert.deepEqual(
    unseen.map(({ name }) => name),
    [],
  );
});

test('no panel, variable or alert names a metric that is not there', () => {
  const known = new Set([...facts, ...controller].flatMap(seriesOf));
  const queries = [...panelQueries(), ...variableQueries(), ...alerts];
  for (const { where, expression } of queries) {
    const names = metricsIn(expression);
    assert.ok(names.length > 0, `${where} names no metric: ${expression}`);
    for (const name of names) assert.ok(known.has(name), `${where} names ${name}`);
  }
});

test('a metric has one name, a help that is a sentence, and a name that says its unit', () => {
  const names = ours.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { name, type, help } of ours) {
    assert.match(name, /^metatrain_[a-z]+_?[a-z_]*[a-z]$/);
    assert.match(help, /\S\.$/, name);
    assert.equal(name.endsWith('_total'), type === 'counter', name);
    assert.doesNotMatch(name, /_(ms|millis|kb|mb|mib|percent)(_|$)/);
  }
});

test('every panel says what it shows, and every alert whom it concerns and why', () => {
  const panels = panelsOf().filter(({ panel }) => panel.targets);
  assert.ok(panels.length > 60);
  for (const { file, panel } of panels) assert.match(panel.description ?? '', /\.$/, `${file}, ${panel.title}`);
  for (const { alert, labels, annotations } of alertRules()) {
    assert.ok(['page', 'ticket', 'info'].includes(labels.severity), alert);
    assert.match(annotations.summary, /\S/, alert);
  }
});

test('the metrics of an expression are read off it, labels and strings apart', () => {
  assert.deepEqual(metricsIn('sum by (state) (metatrain_jobs{state="process_x"}) / nodejs_a_bytes'), [
    'metatrain_jobs',
    'nodejs_a_bytes',
  ]);
});
