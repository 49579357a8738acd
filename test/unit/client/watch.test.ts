// A watch over streams that break: every event once and in order, until the job has ended, or until trying is pointless.
import assert from 'node:assert/strict';
import test from 'node:test';
import type { JobEvent } from '../../../client/records.ts';
import { followJob, type WatchOptions, type WatchSource } from '../../../client/watch.ts';
import { MetatrainError } from '../../../shared/errors.ts';
import type { JobEvent__Output } from '../../../shared/gen/metatrain/v1/JobEvent.ts';

const away = new MetatrainError('NOT_READY', 'no coordinator answers');

function wireEvent(sequence: number, body: Partial<JobEvent__Output>): JobEvent__Output {
  const none = { stateChanged: null, metaStep: null, evaluated: null, checkpointWritten: null, shardRetried: null };
  return {
    sequence,
    time: { seconds: 1_700_000_000 + sequence, nanos: 0 },
    jobId: 'j',
    ...none,
    ...body,
  } as JobEvent__Output;
}

const checkpoint = (sequence: number) =>
  wireEvent(sequence, {
    checkpointWritten: { step: sequence, bytes: 8, sha256: '', paramsSha256: '', path: '' } as never,
  });

const state = (sequence: number, name: string) =>
  wireEvent(sequence, { stateChanged: { state: `JOB_STATE_${name}`, reason: 'r', error: null } as never });

/** One stream: events in order; an error breaks it, 'end' ends it without a word. */
type Script = readonly (JobEvent__Output | MetatrainError)[];

class ScriptedSource implements WatchSource {
  /** From where each stream was asked for. */
  readonly opened: number[] = [];
  readonly delays: number[] = [];
  readonly #streams: Script[];
  readonly #isEnded: boolean;
  #now = 0;

  constructor(streams: readonly Script[], isEnded = false) {
    this.#streams = [...streams];
    this.#isEnded = isEnded;
  }

  async *open(afterSequence: number): AsyncGenerator<JobEvent__Output> {
    this.opened.push(afterSequence);
    for (const item of this.#streams.shift() ?? [away]) {
      if (item instanceof MetatrainError) throw item;
      yield item;
    }
  }

  async isOver(): Promise<boolean> {
    return this.#isEnded;
  }

  async delay(delayMs: number): Promise<void> {
    this.delays.push(delayMs);
    this.#now += delayMs;
  }

  now(): number {
    return this.#now;
  }
}

async function sequencesOf(source: WatchSource, options?: WatchOptions): Promise<number[]> {
  const events: JobEvent[] = [];
  for await (const event of followJob(source, options)) events.push(event);
  return events.map(({ sequence }) => sequence);
}

test('a broken stream is opened again after the last event seen; what comes twice is told once', async () => {
  const source = new ScriptedSource([
    [checkpoint(1), checkpoint(2), away],
    [checkpoint(2), checkpoint(3)],
    [state(4, 'SUCCEEDED'), checkpoint(5)],
  ]);
  assert.deepEqual(await sequencesOf(source), [1, 2, 3, 4]);
  assert.deepEqual(source.opened, [0, 2, 3]);
});

test('every end of a job ends the watch; a pause does not', async () => {
  for (const end of ['SUCCEEDED', 'FAILED', 'CANCELLED']) {
    const source = new ScriptedSource([[state(1, 'RUNNING'), state(2, 'PAUSED'), state(3, end)]]);
    assert.deepEqual(await sequencesOf(source), [1, 2, 3]);
  }
});

test('a stream that ends without a word ends the watch only when the job has ended', async () => {
  const ended = new ScriptedSource([[checkpoint(1)]], true);
  assert.deepEqual(await sequencesOf(ended), [1]);
  const stopped = new ScriptedSource([[checkpoint(1)], [state(2, 'FAILED')]]);
  assert.deepEqual(await sequencesOf(stopped), [1, 2]);
});

test('a watch may begin in the middle', async () => {
  const source = new ScriptedSource([[checkpoint(7), checkpoint(8), state(9, 'SUCCEEDED')]]);
  assert.deepEqual(await sequencesOf(source, { afterSequence: 7 }), [8, 9]);
  assert.deepEqual(source.opened, [7]);
});

test('retries wait longer and longer, at most 5 s, and are given up after the patience asked for', async () => {
  const source = new ScriptedSource([]);
  await assert.rejects(sequencesOf(source, { giveUpAfterMs: 30_000 }), away);
  assert.deepEqual(source.delays.slice(0, 8), [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  const waited = source.delays.reduce((sum, delayMs) => sum + delayMs, 0);
  assert.ok(waited >= 30_000 && waited < 35_000, `${waited} ms`);
});

test('an event proves the coordinator alive: patience and pauses begin anew', async () => {
  const outage: Script[] = Array.from({ length: 7 }, () => [away]);
  const source = new ScriptedSource([...outage, [checkpoint(1), away], ...outage, [state(2, 'SUCCEEDED')]]);
  // Each outage lasts 11.3 s: one alone is within the patience, the two together are not.
  assert.deepEqual(await sequencesOf(source, { giveUpAfterMs: 15_000 }), [1, 2]);
});

test('a sign of life is no event, and proves the coordinator alive like one', async () => {
  const sign = wireEvent(0, {});
  const brief: Script[] = Array.from({ length: 200 }, () => [sign, away]);
  const source = new ScriptedSource([[checkpoint(1), sign, checkpoint(2)], ...brief, [sign, state(3, 'SUCCEEDED')]]);
  assert.deepEqual(await sequencesOf(source, { giveUpAfterMs: 5_000 }), [1, 2, 3]);
  assert.deepEqual(new Set(source.opened.slice(1)), new Set([2]));
  assert.ok(source.now() > 5_000, 'the streams broke for longer than the patience, and each had lived');
});

test('an outage is told once, when the second try has failed too, and its end', async () => {
  const told: string[] = [];
  const options = { onAway: ({ code }: MetatrainError) => told.push(code), onBack: () => told.push('back') };
  const source = new ScriptedSource([
    [checkpoint(1), away],
    [checkpoint(2), away],
    ...[[away], [away], [away]],
    [checkpoint(3), away],
    [state(4, 'FAILED')],
  ]);
  assert.deepEqual(await sequencesOf(source, options), [1, 2, 3, 4]);
  assert.deepEqual(told, ['NOT_READY', 'back']);
});

test('what no retry mends is thrown at once', async () => {
  for (const code of ['JOB_UNKNOWN', 'UNAUTHENTICATED', 'INTERNAL'] as const) {
    const source = new ScriptedSource([[checkpoint(1), new MetatrainError(code, 'no')]]);
    await assert.rejects(sequencesOf(source), { code });
    assert.deepEqual(source.delays, []);
  }
});

test('an event of a kind that only a newer coordinator knows is passed over, and not asked for again', async () => {
  const source = new ScriptedSource([[wireEvent(1, {}), away], [state(2, 'SUCCEEDED')]]);
  assert.deepEqual(await sequencesOf(source), [2]);
  assert.deepEqual(source.opened, [0, 1]);
});
