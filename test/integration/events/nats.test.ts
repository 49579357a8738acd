import assert from 'node:assert/strict';
import test from 'node:test';
import { credentials } from '@grpc/grpc-js';
import { nanos } from 'nats';
import { evaluationFromWire, summaryFromWire } from '../../../client/records.ts';
import { nameOf, sequenceOf } from '../../../shared/cluster-event.ts';
import type { Job__Output } from '../../../shared/gen/metatrain/v1/Job.ts';
import type { JobEvent__Output } from '../../../shared/gen/metatrain/v1/JobEvent.ts';
import { channelOptions, JobService } from '../../../shared/wire.ts';
import { applyToTable, type JobRow } from '../../support/job-table.ts';
import { NatsServer, type StreamMessage } from '../../support/nats-server.ts';
import { withoutPrograms } from '../../support/needs.ts';
import { TestProcess } from '../../support/processes.ts';
import { call, collect, specText, TestCluster } from '../coordinator/cluster.ts';
import { NullWorker } from '../coordinator/null-worker.ts';
import { endOf, logging, natsAt, streamLimits as stream } from './with-nats.ts';

const skip = withoutPrograms(['nats-server'], 'events on a real NATS server');

/** Sequence, time, kind and data of each event, as WatchJob and as the stream tell them: to be equal. */
function storyOfWatch(events: readonly JobEvent__Output[]) {
  return events.map(({ sequence, time, ...event }) => {
    const at = new Date((time?.seconds ?? 0) * 1_000 + (time?.nanos ?? 0) / 1e6).toISOString();
    if (event.stateChanged) {
      const { state, reason, error } = event.stateChanged;
      const data = {
        state: state.replace('JOB_STATE_', '').toLowerCase(),
        reason,
        ...(error && { error: { ...error } }),
      };
      return { sequence, at, name: 'job.state_changed', data };
    }
    if (event.metaStep) {
      return { sequence, at, name: 'job.meta_steps_applied', data: summaryFromWire(event.metaStep) };
    }
    if (event.evaluated) return { sequence, at, name: 'job.evaluated', data: evaluationFromWire(event.evaluated) };
    if (event.checkpointWritten)
      return { sequence, at, name: 'job.checkpoint_written', data: { ...event.checkpointWritten } };
    return { sequence, at, name: 'job.shard_retried', data: { ...event.shardRetried } };
  });
}

function storyOfStream(messages: readonly StreamMessage[], jobId: string) {
  return messages.flatMap(({ event }) => {
    if (event.subject !== jobId) return [];
    const { jobSequence: sequence, jobId: _, ...rest } = event.data as { jobSequence: number; jobId: string };
    const { state, reason, error, checkpoints: __, ...data } = rest as Record<string, unknown>;
    const isState = event.type === 'metatrain.v1.job.state_changed';
    const told = isState
      ? { state, reason, ...(error !== undefined && { error }) }
      : { ...data, ...(reason !== undefined && { reason }) };
    return [{ sequence, at: event.time, name: nameOf(event), data: told }];
  });
}

const plain = <Value>(value: Value): Value => JSON.parse(JSON.stringify(value));

function assertSameStory(
  messages: readonly StreamMessage[],
  watched: readonly JobEvent__Output[],
  jobId: string,
): void {
  const story = storyOfStream(messages, jobId);
  assert.deepEqual(story, storyOfWatch(watched));
  assert.deepEqual(
    story.map(({ sequence }) => sequence),
    story.map((_, i) => i + 1),
    'no gap, none twice',
  );
  const ids = messages.map(({ event }) => event.id);
  assert.equal(new Set(ids).size, ids.length, 'every id once');
  const order = messages.map(({ event }) => sequenceOf(event));
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
}

/** Asks a worker to hold the job back at a meta-step until it is told to go on. */
function gate(at: number) {
  let release = () => {};
  let arrive = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const arrived = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  return {
    arrived,
    release,
    onLease: (lease: Parameters<NullWorker['answer']>[0], worker: NullWorker) => {
      if ((lease.train?.metaStep ?? 0) < at) return worker.answer(lease);
      arrive();
      void released.then(() => worker.answer(lease));
    },
  };
}

const eventful = { iterations: 300, checkpoint: { every: 20, keep: 3 }, evaluation: { every: 30 } };

test("the stream holds exactly the job's story, and the workers'", { skip }, async (t) => {
  const nats = await NatsServer.start(t);
  const cluster = await TestCluster.start(t, { nats: natsAt(nats) });
  const leaving = await cluster.worker('host/worker 1.*>');
  await cluster.worker('w2');
  const jobId = await cluster.submit(specText(eventful));
  const watched = await cluster.watch(jobId);
  await leaving.close();
  const messages = await nats.messages(({ type }) => type === 'metatrain.v1.worker.disconnected');
  assertSameStory(messages, watched, jobId);
  for (const { event, messageId, contentType } of messages) {
    assert.equal(messageId, event.id);
    assert.equal(contentType, 'application/cloudevents+json; charset=UTF-8');
  }
  const [connected] = messages.filter(({ event }) => event.type === 'metatrain.v1.worker.connected');
  assert.equal(connected?.subject, 'metatrain.v1.worker.host%2Fworker%201%2E%2A%3E.connected');
  assert.equal(connected?.event.subject, 'host/worker 1.*>');
  const kinds = new Set(messages.filter(({ event }) => event.subject === jobId).map(({ subject }) => subject));
  const told = ['state_changed', 'meta_steps_applied', 'evaluated', 'checkpoint_written'];
  assert.deepEqual([...kinds].sort(), told.map((name) => `metatrain.v1.job.${jobId}.${name}`).sort());
  const { config } = await nats.use(async (connection) =>
    (await connection.jetstreamManager()).streams.info('METATRAIN'),
  );
  assert.deepEqual(
    [config.max_age, config.max_bytes, config.max_msgs, config.subjects],
    [nanos(stream.maxAgeMs), stream.maxBytes, stream.maxMessages, ['metatrain.v1.>']],
  );
});

test('NATS killed during a job and started again gets every event exactly once', {
  skip,
}, async (t) => {
  const nats = await NatsServer.start(t);
  const cluster = await TestCluster.start(t, { nats: natsAt(nats) });
  const [first, second] = [gate(100), gate(200)];
  await cluster.worker('w1', {
    onLease: (lease, worker) => ((lease.train?.metaStep ?? 0) < 150 ? first : second).onLease(lease, worker),
  });
  const jobId = await cluster.submit(specText(eventful));
  await first.arrived;
  await nats.kill();
  first.release();
  // Away for a hundred meta-steps, with their evaluations and checkpoints.
  await second.arrived;
  await nats.start();
  second.release();
  const watched = await cluster.watch(jobId);
  assertSameStory(await nats.messages(endOf(jobId)), watched, jobId);
});

test('a coordinator killed during a job publishes every event of it once, before and after', {
  skip,
}, async (t) => {
  const nats = await NatsServer.start(t);
  const cluster = await TestCluster.start(t);
  const { stateDirectory } = cluster;
  await cluster.stop();
  let jobId = '';
  for (let life = 0; life < 3; life += 1) {
    const child = new TestProcess(
      t,
      'coordinator/main.js',
      ['--listen', '127.0.0.1:0', '--state-dir', stateDirectory, '--log-level', 'error'],
      { METATRAIN_NATS_URL: nats.url },
    );
    const { address } = await child.ready<{ address: string }>();
    const jobs = new JobService(address, credentials.createInsecure(), channelOptions);
    const worker = new NullWorker({ address, workerId: 'w1' });
    if (life === 0) jobId = (await call(jobs, 'SubmitJob', { spec: specText(eventful) })).jobId;
    if (life < 2) {
      const step = (life + 1) * 80;
      await collect(jobs.WatchJob({ jobId }), ({ checkpointWritten }) => checkpointWritten?.step === step);
      await child.kill('SIGKILL');
      await worker.ended;
    } else {
      const watched = await collect(jobs.WatchJob({ jobId }));
      assertSameStory(await nats.messages(endOf(jobId)), watched, jobId);
      const connected = (await nats.messages(endOf(jobId))).filter(
        ({ event }) => event.type === 'metatrain.v1.worker.connected',
      );
      assert.equal(connected.length, 3);
      await worker.kill();
    }
    jobs.close();
  }
});

test('the table of jobs rebuilt from the stream alone equals GetJob', { skip }, async (t) => {
  const nats = await NatsServer.start(t);
  const cluster = await TestCluster.start(t, { nats: natsAt(nats) });
  const worker = await cluster.worker('w1', {
    onLease: (lease, self) => {
      if (lease.train && lease.jobId === broken) {
        self.send({
          shardFailure: {
            leaseId: lease.leaseId,
            jobId: lease.jobId,
            code: 'DATA_MISSING',
            message: 'no data',
            permanent: true,
          },
        });
      } else self.answer(lease);
    },
  });
  let broken = '';
  const done = await cluster.submit(specText({ ...eventful, name: 'done' }));
  await cluster.end(done);
  broken = await cluster.submit(specText({ name: 'broken' }));
  await cluster.end(broken);
  const paused = await cluster.submit(specText({ ...eventful, name: 'paused', iterations: 100_000 }));
  await cluster.watch(paused, ({ evaluated }) => evaluated !== null);
  await call(cluster.jobs, 'PauseJob', { jobId: paused });
  await worker.close();
  // Recovery from a checkpoint takes a job back; the stream says so, too.
  await cluster.restart({ nats: natsAt(nats) });
  const last = await cluster.submit(specText({ name: 'last' }));
  await call(cluster.jobs, 'CancelJob', { jobId: last });
  const table = new Map<string, JobRow>();
  for (const { event } of await nats.messages(endOf(last))) applyToTable(table, event);
  const { jobs } = await call(cluster.jobs, 'ListJobs', {});
  assert.deepEqual(
    jobs.map(({ name, state }) => [name, state]),
    [
      ['last', 'JOB_STATE_CANCELLED'],
      ['paused', 'JOB_STATE_PAUSED'],
      ['broken', 'JOB_STATE_FAILED'],
      ['done', 'JOB_STATE_SUCCEEDED'],
    ],
  );
  for (const { jobId } of jobs) assert.deepEqual(rowOf(table.get(jobId)), rowOfJob(await cluster.job(jobId)));
  assert.equal(table.size, jobs.length);
  assert.equal(table.get(done)?.checkpoints.length, 3);
  assert.ok((table.get(done)?.evaluations.length ?? 0) >= 10);
});

/** What of a row and of a job must be the same. */
function rowOf(row: JobRow | undefined) {
  assert.ok(row);
  const { lastMetaStep, evaluations, checkpoints, startedAt, endedAt, error, ...rest } = row;
  const bare = ({ jobId: _, jobSequence: __, ...data }: { jobId: string; jobSequence: number }) => plain(data);
  return {
    ...rest,
    startedAt: startedAt ?? null,
    endedAt: endedAt ?? null,
    error: error ?? null,
    lastMetaStep: lastMetaStep ? bare(lastMetaStep) : null,
    evaluations: evaluations.map(bare),
    checkpoints: checkpoints.map(({ checkpoints: _, ...checkpoint }) => bare(checkpoint)),
  };
}

function rowOfJob(job: Job__Output) {
  const { jobId, name, state, spec, steps, iterations, paramsSha256, lastMetaStep, evaluations, checkpoints } = job;
  const time = (at: Job__Output['endedAt']) =>
    at ? new Date(at.seconds * 1_000 + at.nanos / 1e6).toISOString() : null;
  return plain({
    jobId,
    name,
    state: state.replace('JOB_STATE_', '').toLowerCase(),
    spec,
    steps,
    iterations,
    paramsSha256,
    submittedAt: time(job.submittedAt),
    startedAt: time(job.startedAt),
    endedAt: time(job.endedAt),
    error: job.error,
    lastMetaStep: lastMetaStep && summaryFromWire(lastMetaStep),
    evaluations: evaluations.map(evaluationFromWire),
    checkpoints,
  });
}

test('NATS that is away for a whole job gets all its events later, and the job is not affected', {
  skip,
}, async (t) => {
  const nats = await NatsServer.start(t);
  await nats.kill();
  const { log, until } = logging();
  const cluster = await TestCluster.start(t, { nats: natsAt(nats) }, log);
  const { reason, pending } = await until(/events do not reach NATS/);
  assert.match(String(reason), /no connection to nats:\/\/127\.0\.0\.1:\d+: .*CONNECTION_REFUSED/);
  assert.equal(pending, 0);
  await cluster.worker('w1');
  const jobId = await cluster.submit(specText(eventful));
  const watched = await cluster.watch(jobId);
  await nats.start();
  await until(/events go to NATS/);
  assertSameStory(await nats.messages(endOf(jobId)), watched, jobId);
});

test('a server without JetStream is named in the log, and gets every event once it has JetStream', {
  skip,
}, async (t) => {
  const nats = await NatsServer.start(t, { hasJetStream: false });
  const { log, until } = logging();
  const cluster = await TestCluster.start(t, { nats: natsAt(nats) }, log);
  assert.match(String((await until(/events do not reach NATS/)).reason), /stream METATRAIN: .*no JetStream/);
  await cluster.worker('w1');
  const jobId = await cluster.submit();
  const watched = await cluster.watch(jobId);
  await nats.kill();
  await nats.start({ hasJetStream: true });
  await until(/events go to NATS/);
  assertSameStory(await nats.messages(endOf(jobId)), watched, jobId);
});

test('an existing stream keeps its other limits, and the log says so', { skip }, async (t) => {
  const nats = await NatsServer.start(t);
  await nats.use(async (connection) => {
    const manager = await connection.jetstreamManager();
    await manager.streams.add({ name: 'METATRAIN', subjects: ['metatrain.v1.>'], max_msgs: 7 });
  });
  const { log, until } = logging();
  const cluster = await TestCluster.start(t, { nats: natsAt(nats) }, log);
  const { limits } = await until(/keeps them/);
  assert.deepEqual(limits, ['max_age', 'max_bytes', 'max_msgs']);
  await cluster.worker('w1');
  const jobId = await cluster.submit();
  await cluster.end(jobId);
  await nats.messages(endOf(jobId));
  const { config, state } = await nats.use(async (connection) =>
    (await connection.jetstreamManager()).streams.info('METATRAIN'),
  );
  assert.equal(config.max_msgs, 7);
  assert.equal(state.messages, 7);
});
