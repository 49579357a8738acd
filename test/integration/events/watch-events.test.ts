import assert from 'node:assert/strict';
import { once } from 'node:events';
import test from 'node:test';
import { status } from '@grpc/grpc-js';
import { MetatrainClient } from '../../../client/index.ts';
import { type ClusterEvent, nameOf, sequenceOf } from '../../../shared/cluster-event.ts';
import { metatrain, startCommand } from '../../support/command.ts';
import { collect, rejection, specText, TestCluster } from '../coordinator/cluster.ts';

async function all(events: AsyncIterable<ClusterEvent>): Promise<ClusterEvent[]> {
  const found: ClusterEvent[] = [];
  for await (const event of events) found.push(event);
  return found;
}

test('one job: from its first event to its end; everything: with the workers, in order', async (t) => {
  const cluster = await TestCluster.start(t);
  const client = new MetatrainClient({ address: cluster.address });
  t.after(() => client.close());
  const worker = await cluster.worker('w1');
  const jobId = await cluster.submit();
  const following = all(client.watchEvents({ jobId }));
  const watched = await cluster.watch(jobId);
  const story = await following;
  assert.deepEqual(
    story.map(({ data }) => ('jobSequence' in data ? data.jobSequence : 0)),
    watched.map(({ sequence }) => sequence),
  );
  assert.deepEqual(
    await all(client.watchEvents({ jobId })),
    story,
    'an ended job is told from its log, and then it is over',
  );
  await worker.close();
  const everything: ClusterEvent[] = [];
  for await (const event of client.watchEvents()) {
    everything.push(event);
    if (event.type === 'metatrain.v1.worker.disconnected') break;
  }
  assert.equal(everything[0]?.type, 'metatrain.v1.worker.connected');
  assert.deepEqual(
    everything.map(sequenceOf),
    everything.map((_, i) => i + 1),
  );
  assert.deepEqual(
    everything.filter(({ subject }) => subject === jobId),
    story,
  );
  const after = await all(client.watchEvents({ isFollowing: false, afterSequence: everything.length - 1 }));
  assert.deepEqual(after.map(nameOf), ['worker.disconnected']);
  assert.deepEqual(await all(client.watchEvents({ isFollowing: false, since: new Date(Date.now() + 60_000) })), []);
});

test('a follower goes on across a restart of the coordinator, each event once', async (t) => {
  const cluster = await TestCluster.start(t);
  const port = Number(cluster.address.split(':')[1]);
  const client = new MetatrainClient({ address: cluster.address });
  t.after(() => client.close());
  const over = new AbortController();
  const following = client.watchEvents({ signal: over.signal });
  const first = await cluster.submit(specText({ name: 'first' }));
  assert.equal((await following.next()).value?.subject, first);
  await cluster.restart({ port });
  const again = await following.next();
  assert.deepEqual(
    again.value?.type === 'metatrain.v1.job.state_changed' && [again.value.subject, again.value.data.state],
    [first, 'queued'],
  );
  assert.match(JSON.stringify(again.value), /taken up again/);
  over.abort();
  await assert.rejects(following.next());
});

test('an unknown job is NOT_FOUND; a watch ends with the coordinator; too many are refused', async (t) => {
  const cluster = await TestCluster.start(t, { limits: { watchers: 1 } });
  const unknown = await rejection(collect(cluster.cluster.WatchEvents({ jobId: 'nobody' })));
  assert.equal(unknown.code, status.NOT_FOUND);
  await cluster.submit();
  const open = cluster.cluster.WatchEvents({});
  const ended = rejection(collect(open));
  await once(open, 'data');
  const refused = await rejection(collect(cluster.cluster.WatchEvents({})));
  assert.equal(refused.code, status.RESOURCE_EXHAUSTED);
  const stopping = cluster.stop();
  assert.equal((await ended).code, status.UNAVAILABLE);
  await stopping;
});

test('`metatrain events` prints a line an event, or a CloudEvent, and follows', async (t) => {
  const cluster = await TestCluster.start(t);
  await cluster.worker('w1');
  const jobId = await cluster.submit(specText({ name: 'seen' }));
  await cluster.end(jobId);
  const environment = { METATRAIN_COORDINATOR: cluster.address };
  const lines = (await metatrain(t, ['events', '--no-follow'], environment)).stdout;
  assert.match(
    lines[0] ?? '',
    /^ {5}1 {2}\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ {2}worker {2}w1 {2}connected from 127\.0\.0\.1:/,
  );
  assert.match(lines.at(-1) ?? '', new RegExp(`job {5}${jobId} {2}seen is succeeded: all 20 meta-steps are applied$`));
  const story = await metatrain(t, ['events', '--job', jobId, '--json'], environment);
  const events = story.stdout.map((line) => JSON.parse(line) as ClusterEvent);
  assert.ok(
    events.length >= 4 && events.every(({ subject, specversion }) => subject === jobId && specversion === '1.0'),
  );
  const since = String(events.length);
  const later = await metatrain(t, ['events', '--since', since, '--no-follow'], environment);
  assert.equal(later.stdout.length, lines.length - events.length);

  const following = startCommand(t, ['events', '--since', String(lines.length)], environment);
  await cluster.submit(specText({ name: 'new' }));
  assert.match(await following.line(), /new is queued: submitted/);
  following.signal('SIGINT');
  assert.equal((await following.exited).code, 130);

  const wrong = await metatrain(t, ['events', '--since', 'yesterday'], environment);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /'yesterday' is invalid\. it must be a duration such as 10m, a time such as/);
});
