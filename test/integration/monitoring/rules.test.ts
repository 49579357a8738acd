// The alert rules before Prometheus' own judge.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { alertRules, rulesFile, ruleTestsFile } from '../../support/dashboards.ts';
import { withoutPrograms } from '../../support/needs.ts';
import { promtool } from '../../support/prometheus.ts';

const skip = withoutPrograms(['promtool'], "the alert rules' own tests");

test('promtool accepts the alert rules', { skip }, () => {
  const { isContent, said } = promtool(['check', 'rules', rulesFile]);
  assert.ok(isContent, said);
});

test('every alert fires on its fault and not before it', { skip }, () => {
  const { isContent, said } = promtool(['test', 'rules', ruleTestsFile]);
  assert.ok(isContent, said);
});

test('every alert has such a test', () => {
  const tests = readFileSync(ruleTestsFile, 'utf8');
  const untested = alertRules().filter(({ alert }) => !tests.includes(`alertname="${alert}", alertstate="firing"`));
  assert.deepEqual(
    untested.map(({ alert }) => alert),
    [],
  );
});
