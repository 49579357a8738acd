// What is told of jobs and workers: CloudEvents by their own schema, under subjects that NATS can route, and as the page about them says.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { Ajv } from 'ajv';
import ajvFormats from 'ajv-formats';
import fc from 'fast-check';
import { subjectOf, subjectToken } from '../../../../coordinator/event-bus/subjects.ts';
import { JobStore } from '../../../../coordinator/store/job-store.ts';
import { type ClusterEvent, nameOf } from '../../../../shared/cluster-event.ts';
import { packageRoot } from '../../../../shared/wire.ts';
import { sampleEvents } from '../../../support/sample-events.ts';

/** One of every kind, as the log tells them. */
async function everyKind(t: TestContext): Promise<ClusterEvent[]> {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-test-'));
  const store = await JobStore.open(join(directory, 'jobs.lmdb'));
  t.after(async () => {
    await store.close();
    rmSync(directory, { recursive: true });
  });
  for (const event of Object.values(sampleEvents)) await store.log.append(event);
  const events: ClusterEvent[] = [];
  for await (const event of store.log.follow({ isFollowing: false })) events.push(event);
  assert.deepEqual(events.map(nameOf), Object.keys(sampleEvents));
  return events;
}

const schema = JSON.parse(readFileSync(join(packageRoot, 'test', 'support', 'cloudevents-1.0.json'), 'utf8'));

test("every event is one of CloudEvents 1.0, by the specification's own schema", async (t) => {
  const ajv = new Ajv({ strict: false });
  ajvFormats.default(ajv);
  const isCloudEvent = ajv.compile<object>(schema);
  for (const event of await everyKind(t)) {
    const told: ClusterEvent = JSON.parse(JSON.stringify(event));
    const isOne = (candidate: object): boolean => isCloudEvent(candidate);
    assert.ok(isOne(told), JSON.stringify(isCloudEvent.errors));
    assert.equal(told.specversion, '1.0');
    for (const attribute of Object.keys(told)) assert.match(attribute, /^[a-z0-9]{1,20}$/);
    assert.deepEqual(told.data, JSON.parse(JSON.stringify(sampleEvents[nameOf(event)].data)));
    assert.ok(!isOne({ ...told, id: '' }) && !isOne({ ...told, time: 'yesterday' }));
  }
});

test("no event names a job's owner, and none a recovery checkpoint", async (t) => {
  for (const event of await everyKind(t)) {
    assert.doesNotMatch(JSON.stringify(event), /somebody/);
    if ('checkpoints' in event.data) assert.deepEqual(event.data.checkpoints, [5, 10]);
  }
});

test('subjects are metatrain.v1.job.ID.EVENT and metatrain.v1.worker.ID.EVENT', async (t) => {
  const subjects = (await everyKind(t)).map(subjectOf);
  assert.equal(subjects[0], 'metatrain.v1.job.0123456789abcdef.state_changed');
  assert.equal(subjects.at(-1), 'metatrain.v1.worker.host%2Eexample%2Fworker%201.let_back');
  for (const subject of subjects) assert.equal(subject.split('.').length, 5);
});

test('any text is one token of a subject, and comes back from it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1 }), (text) => {
      const token = subjectToken(text);
      assert.match(token, /^[^\s.*>]+$/);
      assert.equal(decodeURIComponent(token), text);
    }),
  );
  assert.equal(subjectToken('\ud800'), '%EF%BF%BD');
});

test('docs/events.md has a row for every kind of event, with every field of its data', () => {
  const page = readFileSync(join(packageRoot, 'docs', 'events.md'), 'utf8');
  const rows = new Map(
    [...page.matchAll(/^\| `((?:job|worker)\.[a-z_]+)` \|[^|]*\|([^|]*)\|$/gm)].map(([, name, data]) => [
      name,
      [...(data ?? '').matchAll(/`(\w+)`/g)].map(([, field]) => field).sort(),
    ]),
  );
  const always = { job: ['jobId', 'jobSequence'], worker: ['workerId'] } as const;
  const expected = Object.entries(sampleEvents).map(([name, { data }]) => {
    const known: readonly string[] = always[name.startsWith('job.') ? 'job' : 'worker'];
    return [
      name,
      Object.keys(data)
        .filter((field) => !known.includes(field))
        .sort(),
    ] as const;
  });
  assert.deepEqual(rows, new Map(expected));
});
