// The publisher against a bus that a test opens, breaks and reads: order, what is sent again, what an outage may hold, how it ends.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { pino } from 'pino';
import type { BusConnection } from '../../../../coordinator/event-bus/connection.ts';
import { EventPublisher } from '../../../../coordinator/event-bus/publisher.ts';
import type { EventLogLimits } from '../../../../coordinator/store/event-log.ts';
import { JobStore } from '../../../../coordinator/store/job-store.ts';
import { realClock } from '../../../../shared/clock.ts';
import { sequenceOf } from '../../../../shared/cluster-event.ts';
import { MetatrainError } from '../../../../shared/errors.ts';
import { Mailbox } from '../../../support/mailbox.ts';
import { sampleEvents } from '../../../support/sample-events.ts';

/** What a stream holds, and the connections to it. */
class FakeBus {
  readonly sequences: number[] = [];
  readonly arrivals = new Mailbox<number>();
  readonly refusals = new Set<number>();
  isAway = false;
  /** While set, nothing is acknowledged. */
  isSilent = false;
  #drop: (reason: string) => void = () => {};

  readonly connect = async (): Promise<BusConnection> => {
    if (this.isAway) throw new MetatrainError('NOT_READY', 'the bus is away');
    let drop = (_: string) => {};
    const closed = new Promise<string>((resolve) => {
      drop = resolve;
    });
    this.#drop = drop;
    return {
      server: 'bus:1',
      closed,
      lastPublished: async () => this.sequences.at(-1) ?? 0,
      publish: async (event) => {
        const sequence = sequenceOf(event);
        if (this.refusals.has(sequence)) return false;
        // As JetStream does with an id that it knows.
        if (!this.sequences.includes(sequence)) this.sequences.push(sequence);
        this.arrivals.put(sequence);
        if (this.isSilent) throw new MetatrainError('NOT_READY', await closed);
        return true;
      },
      close: async () => drop('closed'),
    };
  };

  breakConnection(): void {
    this.#drop('the connection broke');
  }
}

async function setUp(t: TestContext, limits: Partial<EventLogLimits> = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-test-'));
  const store = await JobStore.open(join(directory, 'jobs.lmdb'), { limits });
  const bus = new FakeBus();
  const lines = new Mailbox<{ msg: string; dropped?: number; pending?: number; reason?: string }>();
  const log = pino({ level: 'info' }, { write: (line: string) => lines.put(JSON.parse(line)) });
  const publishers: EventPublisher[] = [];
  t.after(async () => {
    for (const publisher of publishers) await publisher.close(0);
    await store.close();
    rmSync(directory, { recursive: true });
  });
  const start = () => {
    const publisher = new EventPublisher({ events: store.log, connect: bus.connect, clock: realClock, log });
    publishers.push(publisher);
    publisher.start();
    return publisher;
  };
  const until = async (pattern: RegExp) => {
    for (;;) {
      const line = await lines.take(`a log line like ${pattern}`);
      if (pattern.test(line.msg)) return line;
    }
  };
  const arrived = async (sequence: number) => {
    while ((await bus.arrivals.take(`event ${sequence}`)) !== sequence);
  };
  return { events: store.log, bus, start, until, arrived };
}

const summary = sampleEvents['job.meta_steps_applied'];
const other = sampleEvents['job.shard_retried'];

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

test('waiting and new events arrive in order, and the next start goes on after them', async (t) => {
  const { events, bus, start, arrived } = await setUp(t);
  for (let i = 0; i < 70; i += 1) await events.append(i % 2 === 0 ? summary : other);
  const first = start();
  await arrived(70);
  await events.append(other);
  await arrived(71);
  await first.close(1_000);
  assert.equal(first.published, 71);
  assert.equal(first.pending, 0);
  assert.equal(events.progressOf('nats'), 71);
  await events.append(other);
  const second = start();
  await arrived(72);
  await second.close(1_000);
  assert.equal(second.published, 1);
  assert.deepEqual(bus.sequences, upTo(72));
});

test('after a lost connection a new one is made, and unacknowledged events are sent again in order', async (t) => {
  const { events, bus, start, until, arrived } = await setUp(t);
  const publisher = start();
  await until(/events go to NATS/);
  bus.isSilent = true;
  await events.append(other);
  await arrived(1);
  await events.append(other);
  bus.isSilent = false;
  bus.breakConnection();
  const { reason, pending } = await until(/do not reach NATS/);
  assert.equal(reason, 'the connection broke');
  assert.equal(pending, 2);
  await arrived(2);
  assert.deepEqual(bus.sequences, [1, 2]);
  await publisher.close(1_000);
  assert.equal(publisher.failures, 1);
});

test('an outage longer than the log keeps events loses the oldest summaries, counts them and logs it', async (t) => {
  const { events, bus, start, until, arrived } = await setUp(t, { summaries: 10, others: 100 });
  const publisher = start();
  await events.append(other);
  await arrived(1);
  bus.isAway = true;
  bus.breakConnection();
  await until(/do not reach NATS/);
  assert.equal(publisher.isConnected, false);
  for (let i = 0; i < 30; i += 1) await events.append(i % 3 === 0 ? other : summary);
  assert.equal(publisher.pending, 20);
  assert.equal(publisher.dropped, 10);
  // An attempt in between may have found fewer.
  while ((await until(/outbox for NATS is full/)).dropped !== 10);
  bus.isAway = false;
  await arrived(31);
  await publisher.close(1_000);
  assert.equal(publisher.dropped, 10);
  assert.equal(publisher.pending, 0);
  // Of the other events none is missing.
  for (let sequence = 2; sequence <= 31; sequence += 3)
    assert.ok(bus.sequences.includes(sequence), `event ${sequence}`);
});

test('an event that is too large for the server is left out, named and counted', async (t) => {
  const { events, bus, start, until, arrived } = await setUp(t);
  bus.refusals.add(1);
  const publisher = start();
  await events.append(other);
  await events.append(other);
  await until(/larger than what the NATS server takes/);
  await arrived(2);
  await publisher.close(1_000);
  assert.deepEqual([publisher.dropped, publisher.published], [1, 1]);
});

test('closing waits for events under way until its deadline', async (t) => {
  const { events, bus, start, until, arrived } = await setUp(t);
  const publisher = start();
  await until(/events go to NATS/);
  bus.isSilent = true;
  await events.append(other);
  await arrived(1);
  // A clock's timers do not keep a process alive; the connection that is missing here would.
  const alive = setTimeout(() => {}, 30_000);
  await publisher.close(20);
  clearTimeout(alive);
  assert.equal(publisher.pending, 1, 'it was not acknowledged, and waits for the next start');
  bus.isSilent = false;
  const next = start();
  await until(/events go to NATS/);
  assert.equal(next.pending, 0, 'the stream had it');
  assert.deepEqual(bus.sequences, [1]);
});
