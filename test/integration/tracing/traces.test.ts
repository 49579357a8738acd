// Spans of a real coordinator and real workers, as a collector receives them: the tree, its limits, and that nobody waits for a collector.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { MetatrainClient } from '../../../client/metatrain-client.ts';
import { realClock } from '../../../shared/clock.ts';
import { silentLogger } from '../../../shared/log.ts';
import { Tracing } from '../../../shared/tracing.ts';
import type { Lease } from '../../../worker/session-state.ts';
import { ShardTraces } from '../../../worker/tracing.ts';
import { TestProcess } from '../../support/processes.ts';
import { specText } from '../coordinator/cluster.ts';
import { OtlpReceiver, type ReceivedSpan } from './otlp-receiver.ts';

/** Two machines' clocks would differ by more; on one, spans of two processes are comparable to this. */
const clockToleranceMs = 5;
/** What a process may take to end on a busy machine; a collector's patience is ten seconds. */
const endWithinMs = 8_000;

interface Started {
  readonly coordinator: TestProcess;
  readonly workers: readonly TestProcess[];
  readonly client: MetatrainClient;
}

/** OTEL_* of the shell that runs the tests must not decide. */
const noVariables = Object.fromEntries(
  Object.keys(process.env)
    .filter((name) => name.startsWith('OTEL_'))
    .map((name) => [name, '']),
);

const testTracing = ({ endpoint }: OtlpReceiver): Tracing =>
  new Tracing(
    { tracesUrl: `${endpoint}/v1/traces` },
    { service: 'test', version: '0', instance: 'test' },
    { clock: realClock, log: silentLogger },
  );

async function startCluster(
  t: TestContext,
  flags: { readonly coordinator?: readonly string[]; readonly worker?: readonly string[]; readonly workers?: number },
  environment: Readonly<Record<string, string>> = {},
): Promise<Started> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'metatrain-traces-'));
  t.after(() => rmSync(stateDirectory, { recursive: true, force: true }));
  const variables = { ...noVariables, ...environment };
  const listen = ['--listen', '127.0.0.1:0', '--http', 'off', '--state-dir', stateDirectory, '--log-format', 'json'];
  const coordinator = new TestProcess(t, 'coordinator/main.js', [...listen, ...(flags.coordinator ?? [])], variables);
  const { address } = await coordinator.ready<{ address: string }>();
  const workers = Array.from({ length: flags.workers ?? 1 }, (_, index) => {
    const args = [
      '--coordinator',
      address,
      '--slots',
      '1',
      '--worker-id',
      `worker-${index + 1}`,
      '--log-format',
      'json',
    ];
    return new TestProcess(t, 'worker/main.js', [...args, ...(flags.worker ?? [])], variables);
  });
  for (const worker of workers) await worker.ready();
  const client = new MetatrainClient({ address });
  t.after(() => client.close());
  return { coordinator, workers, client };
}

async function runJob({ client }: Started, spec: string): Promise<string> {
  const { jobId } = await client.submitJob(spec);
  for await (const _ of client.watchJob(jobId));
  assert.equal((await client.getJob(jobId)).state, 'SUCCEEDED');
  return jobId;
}

async function stop({ coordinator, workers }: Started): Promise<void> {
  for (const process of [...workers, coordinator]) {
    const exit = await process.kill('SIGTERM');
    assert.equal(exit.code, 0, process.stderr);
  }
}

test('a job is traced from its meta-steps through the leases of their shards to the inner loops of the workers', async (t) => {
  const receiver = await OtlpReceiver.start(t);
  const endpoint = ['--otlp-endpoint', receiver.endpoint];
  const cluster = await startCluster(t, {
    coordinator: [...endpoint, '--trace-rate', '1000'],
    worker: endpoint,
    workers: 2,
  });
  const placement = { spans: 'never' };
  const jobId = await runJob(cluster, specText({ iterations: 12, batchSize: 10, shardSize: 4, placement }));
  await stop(cluster);

  const [job, ...otherJobs] = receiver.named('job');
  assert.ok(job);
  assert.deepEqual(otherJobs, []);
  assert.equal(job.service, 'metatrain-coordinator');
  assert.equal(job.parentSpanId, '');
  assert.deepEqual(job.events, ['queued', 'running', 'succeeded']);
  const { outcome, steps, algorithm, distribution } = job.attributes;
  assert.deepEqual(
    { outcome, steps, algorithm, distribution, jobId: job.attributes.jobId },
    {
      outcome: 'succeeded',
      steps: 12,
      algorithm: 'maml',
      distribution: 'sinusoid',
      jobId,
    },
  );

  const bySpanId = new Map(receiver.spans.map((span) => [span.spanId, span]));
  const parentOf = (span: ReceivedSpan): ReceivedSpan => {
    const parent = bySpanId.get(span.parentSpanId);
    assert.ok(parent, `${span.name} has the parent ${span.parentSpanId}, which never came`);
    assert.equal(span.traceId, parent.traceId);
    assert.ok(span.startMs >= parent.startMs - clockToleranceMs, `${span.name} begins before its ${parent.name}`);
    assert.ok(span.endMs <= parent.endMs + clockToleranceMs, `${span.name} ends after its ${parent.name}`);
    return parent;
  };
  for (const name of ['initialization', 'meta-step', 'evaluation']) {
    const batches = receiver.named(name);
    assert.ok(batches.length > 0, `no ${name} was traced`);
    for (const batch of batches) {
      assert.equal(batch.parentSpanId, '', 'each is a trace of its own');
      assert.deepEqual(batch.links, [`${job.traceId}/${job.spanId}`]);
      assert.equal(batch.attributes.jobId, jobId);
      const reduces = receiver.named('reduce').filter(({ parentSpanId }) => parentSpanId === batch.spanId);
      assert.equal(reduces.length, 1);
      const shards = receiver.named('shard').filter(({ parentSpanId }) => parentSpanId === batch.spanId);
      const indices = new Set(shards.map(({ attributes }) => attributes.shard));
      assert.equal(indices.size, batch.attributes.shards, 'every shard has a span');
    }
  }
  const [metaStep] = receiver.named('meta-step');
  assert.equal(metaStep?.attributes.tasks, 10);
  assert.equal(metaStep.attributes.innerSteps, 1);
  assert.equal(typeof metaStep.attributes['measure.loss'], 'number');

  const kept = receiver.named('shard').filter(({ attributes }) => attributes.outcome === 'kept');
  const innerLoops = receiver.named('inner-loop');
  for (const shard of kept) {
    parentOf(shard);
    const [innerLoop, ...others] = innerLoops.filter(({ parentSpanId }) => parentSpanId === shard.spanId);
    assert.ok(innerLoop, 'the worker has told its part');
    assert.deepEqual(others, []);
    parentOf(innerLoop);
    assert.equal(innerLoop.service, 'metatrain-worker');
    assert.equal(innerLoop.instance, shard.attributes.workerId);
    for (const name of ['jobId', 'leaseId', 'workerId', 'shard', 'tasks'] as const) {
      if (innerLoop.attributes.work === 'initialize' && name === 'tasks') continue;
      assert.equal(innerLoop.attributes[name], shard.attributes[name], name);
    }
    assert.equal(innerLoop.attributes.outcome, 'finished');
    const inside = receiver.spans.filter(({ parentSpanId }) => parentSpanId === innerLoop.spanId);
    assert.deepEqual(inside.map(({ name }) => name).sort(), ['queue', 'run']);
  }
  assert.deepEqual(new Set(kept.map(({ attributes }) => attributes.workerId)), new Set(['worker-1', 'worker-2']));
  const programs = receiver.named('program');
  assert.ok(programs.length >= 2, 'training and evaluation were compiled');
  for (const program of programs) {
    assert.equal(parentOf(program).name, 'run');
    assert.ok(program.endMs - program.startMs > 0);
  }
});

test('a span of meta-steps is a trace with one lease', async (t) => {
  const receiver = await OtlpReceiver.start(t);
  const endpoint = ['--otlp-endpoint', receiver.endpoint];
  const cluster = await startCluster(t, { coordinator: [...endpoint, '--trace-rate', '1000'], worker: endpoint });
  await runJob(cluster, specText({ iterations: 12, placement: { spans: 'always' } }));
  await stop(cluster);
  const traced = receiver.named('meta-steps');
  assert.ok(traced.length > 0);
  for (const { spanId, attributes } of traced) {
    assert.equal(typeof attributes['measure.loss'], 'number');
    const [lease, ...others] = receiver.named('shard').filter(({ parentSpanId }) => parentSpanId === spanId);
    assert.ok(lease);
    assert.deepEqual(others, []);
    assert.equal(lease.attributes.outcome, 'kept');
    const innerLoops = receiver.named('inner-loop').filter(({ parentSpanId }) => parentSpanId === lease.spanId);
    assert.deepEqual(
      innerLoops.map(({ attributes }) => attributes.work),
      ['span'],
    );
  }
});

test('of a fast job a few meta-steps a second are traced, with OTEL_SERVICE_NAME and OTEL_EXPORTER_OTLP_HEADERS', async (t) => {
  const receiver = await OtlpReceiver.start(t);
  const cluster = await startCluster(
    t,
    { coordinator: ['--trace-rate', '2'] },
    {
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
      OTEL_EXPORTER_OTLP_HEADERS: 'x-team=meta',
      OTEL_SERVICE_NAME: 'pool-a',
    },
  );
  await runJob(cluster, specText({ iterations: 400 }));
  await stop(cluster);
  const [job] = receiver.named('job');
  assert.ok(job);
  assert.equal(job.service, 'pool-a');
  for (const headers of receiver.headers) assert.equal(headers['x-team'], 'meta');
  const traced = [...receiver.named('meta-step'), ...receiver.named('meta-steps')].sort(
    (a, b) => a.startMs - b.startMs,
  );
  assert.ok(traced.length >= 1 && traced.length <= 1 + ((job.endMs - job.startMs) / 1000) * 2, `${traced.length}`);
  for (const [index, { startMs }] of traced.entries()) {
    const before = traced[index - 1];
    if (before) assert.ok(startMs - before.startMs >= 500 - clockToleranceMs, 'half a second lies between them');
  }
  const roots = new Set(
    [...traced, ...receiver.named('evaluation'), ...receiver.named('initialization')].map(({ traceId }) => traceId),
  );
  for (const { traceId } of receiver.named('inner-loop')) assert.ok(roots.has(traceId), 'no worker traces by itself');
});

test('a process that traces nothing loads nothing of the OpenTelemetry SDK', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-modules-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const [probe, modules] = [join(directory, 'probe.cjs'), join(directory, 'modules')];
  // Its bare interface comes with prom-client.
  writeFileSync(
    probe,
    `process.on('exit', () => require('node:fs').appendFileSync(${JSON.stringify(modules)},
       'ended\\n' + Object.keys(require.cache).filter((file) => /@opentelemetry.(?!api.)/.test(file)).join('\\n')));`,
  );
  const probed = { NODE_OPTIONS: `--require=${probe}` };
  const cluster = await startCluster(t, {}, probed);
  await runJob(cluster, specText({ iterations: 2 }));
  await stop(cluster);
  assert.match(readFileSync(modules, 'utf8'), /^(ended\n)+$/);
  await new TestProcess(t, 'shared/tracing.js', [], probed).exited;
  assert.match(readFileSync(modules, 'utf8'), /@opentelemetry/, 'the probe finds it where it is');
});

test('a collector that is silent or missing delays neither a job nor the end of a process', async (t) => {
  const { endpoint } = await OtlpReceiver.start(t, { answers: false });
  const cluster = await startCluster(t, {
    coordinator: ['--otlp-endpoint', endpoint, '--trace-rate', '1000'],
    worker: ['--otlp-endpoint', 'http://127.0.0.1:9'],
  });
  await runJob(cluster, specText({ iterations: 50 }));
  for (const process of [...cluster.workers, cluster.coordinator]) {
    const begun = performance.now();
    assert.equal((await process.kill('SIGTERM')).code, 0, process.stderr);
    assert.match(process.stderr, /the last traces are lost/);
    assert.ok(performance.now() - begun < endWithinMs, `it took ${performance.now() - begun} ms`);
  }
});

test('an invalid endpoint is refused with the name of its flag or variable', async (t) => {
  const refused = async (script: string, args: readonly string[], environment: Readonly<Record<string, string>>) => {
    const process = new TestProcess(t, script, args, { ...noVariables, ...environment });
    assert.equal((await process.exited).code, 2);
    return process.stderr;
  };
  const accepted = 'accepted: http:// or https://, such as http://127.0.0.1:4318';
  const wrong = await refused('coordinator/main.js', ['--otlp-endpoint', 'localhost:4318'], {});
  assert.ok(wrong.includes(`error: --otlp-endpoint: got localhost:4318; ${accepted}`), wrong);
  const variable = await refused('worker/main.js', [], { OTEL_EXPORTER_OTLP_ENDPOINT: 'nonsense' });
  assert.ok(variable.includes(`error: OTEL_EXPORTER_OTLP_ENDPOINT: got nonsense; ${accepted}`), variable);
});

test('a worker ignores an invalid traceparent and uses a valid one', async (t) => {
  const receiver = await OtlpReceiver.start(t);
  const tracing = testTracing(receiver);
  const traces = new ShardTraces({ workerId: 'w' }, tracing);
  const lease = (leaseId: string, traceparent: string): Lease => ({
    leaseId,
    jobId: 'job',
    work: { kind: 'initialize' },
    shard: 0,
    workKey: leaseId,
    traceparent,
  });
  const [trace, span] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
  const bad = [
    '',
    'x',
    '\u0000',
    'a'.repeat(100_000),
    `00-${trace}-${span}`,
    `00-${'0'.repeat(32)}-${span}-01`,
    `ff-${trace}-${span}-01`,
  ];
  for (const [index, traceparent] of bad.entries()) {
    traces.observer.shardTaken?.({ lease: lease(`bad-${index}`, traceparent) });
    traces.observer.shardStarted?.({ leaseId: `bad-${index}` });
    traces.observer.shardCancelled?.({ leaseId: `bad-${index}`, work: 'initialize' });
  }
  traces.observer.shardTaken?.({ lease: lease('good', `00-${trace}-${span}-01`) });
  traces.observer.shardTaken?.({ lease: lease('unsampled', `00-${trace}-${span}-00`) });
  traces.observer.shardCancelled?.({ leaseId: 'good', work: 'initialize' });
  await traces.close();
  assert.deepEqual(receiver.spans.map(({ name }) => name).sort(), ['inner-loop', 'queue']);
  const [innerLoop] = receiver.named('inner-loop');
  assert.equal(innerLoop?.traceId, trace);
  assert.equal(innerLoop.parentSpanId, span);
  assert.equal(innerLoop.attributes.outcome, 'cancelled');
});

test('OTEL_TRACES_SAMPLER is obeyed', async (t) => {
  const receiver = await OtlpReceiver.start(t);
  t.after(() => {
    delete process.env.OTEL_TRACES_SAMPLER;
  });
  process.env.OTEL_TRACES_SAMPLER = 'always_off';
  const tracing = testTracing(receiver);
  const span = tracing.start('job', {});
  assert.equal(span.isRecording(), false);
  tracing.end(span, {});
  await tracing.close();
  assert.deepEqual(receiver.spans, []);
});
