// Omniglot on a small set in the official layout: what a task holds, how classes turn, which splits there are, and every refusal.
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { shrinkToInk } from '../../../learning/tasks/lanczos.ts';
import { omniglot } from '../../../learning/tasks/omniglot.ts';
import type { Split } from '../../../learning/tasks.ts';
import { MetatrainError } from '../../../shared/errors.ts';
import { allocateTasks } from '../../../worker/learning/arrays.ts';
import { decodeBitmapPng } from '../../../worker/learning/files/bitmap-png.ts';
import {
  characterEntries,
  drawingOf,
  emptyFixture,
  type Fixture,
  smallFixture,
  type ZipEntry,
  zipOf,
} from './omniglot-fixture.ts';
import { openTasks, type TaskContext } from './open-tasks.ts';

const spec = {
  distribution: 'omniglot',
  ways: 3,
  shots: 2,
  queries: 3,
  dataSet: 'small',
  rotations: true,
};

const small1 = 'images_background_small1';
const small2 = 'images_background_small2';

describe('Omniglot', () => {
  let fixtures: Fixture[] = [];
  const keep = (fixture: Fixture) => {
    fixtures.push(fixture);
    return fixture;
  };
  afterEach(() => {
    for (const fixture of fixtures) fixture.remove();
    fixtures = [];
  });

  const open = (
    fixture: Fixture,
    overrides: Readonly<Record<string, unknown>> = {},
    context: Partial<TaskContext> = {},
  ) =>
    openTasks(
      { ...spec, ...overrides },
      { seed: 5, dataDirectories: [fixture.directory], usedSplits: ['train', 'test'], ...context },
    );

  async function refusalOf(opening: Promise<unknown>): Promise<MetatrainError> {
    try {
      await opening;
    } catch (error) {
      assert.ok(error instanceof MetatrainError, String(error));
      return error;
    }
    assert.fail('nothing was refused');
  }

  async function draw(fixture: Fixture, split: Split, index: number, seed = 5) {
    const distribution = await open(fixture, {}, { seed });
    const task = allocateTasks(distribution.facts, 1).task(0);
    distribution.sample(split, index, task);
    return task;
  }

  describe('a client of federated learning', () => {
    const task = {
      alphabets: { train: ['Greek'], test: ['Early_Aramaic', 'Tagalog'] },
      ways: 2,
      shots: 1,
      queries: 1,
      rotations: false,
    };

    it('has characters of one alphabet, all drawn by the same people', async () => {
      const distribution = await open(keep(smallFixture()), { ...task, clients: true });
      assert.match(distribution.splitDescription, /; a task is a client: one alphabet of train 1, validation 0, test 1$/);
      const arrays = allocateTasks(distribution.facts, 1).task(0);
      // a drawing's number is its drawer's: in the fixture it follows from the seed of the drawing
      const numbers = new Map<string, [character: number, drawer: number]>();
      for (const character of [11, 12, 21]) {
        for (let drawer = 0; drawer < 20; drawer++) {
          const ink = shrinkToInk(decodeBitmapPng(drawingOf(character * 100 + drawer)), 28);
          numbers.set(Float32Array.from(ink, (level) => level / 255).join(), [character, drawer]);
        }
      }
      const seen = new Set<string>();
      for (let index = 0; index < 20; index++) {
        distribution.sample('test', index, arrays);
        const shown = (inputs: Float32Array) => [0, 1].map((row) => numbers.get(inputs.subarray(row * 784, row * 784 + 784).join())!);
        const [support, query] = [shown(arrays.supportInputs!), shown(arrays.queryInputs!)];
        assert.deepEqual(support.map(([character]) => character).sort(), [11, 12], 'Tagalog has one character alone');
        assert.deepEqual(query.map(([character]) => character), support.map(([character]) => character));
        assert.equal(support[0]![1], support[1]![1]);
        assert.equal(query[0]![1], query[1]![1]);
        assert.notEqual(support[0]![1], query[0]![1]);
        seen.add(String(support[0]![1]));
      }
      assert.ok(seen.size > 5, 'other clients are other people');
    }); // biome-ignore format: long lines

    it('is refused where no alphabet has as many characters, and as a sequence', async () => {
      const error = await refusalOf(open(keep(smallFixture()), { ...task, ways: 3, clients: true }));
      assert.match(
        error.message,
        /^task\.ways: got 3; accepted: at most the classes of one alphabet of the test split, with task\.clients$/,
      );
      const sequence = omniglot.schema.parse({ clients: true, presentations: 4 });
      const [problem] = omniglot.check!(sequence, { usedSplits: ['train', 'test'] } as never);
      assert.deepEqual(problem, { field: 'task.presentations', got: '4', accepted: 'nothing with task.clients' });
    });
  });

  describe('a task', () => {
    it('has shots and queries of each way, one-hot, first examples of all classes before their second', async () => {
      const { facts } = await open(keep(smallFixture()));
      assert.equal(facts.target, 'classes');
      assert.deepEqual(
        Object.values(facts.tensors).map(({ shape }) => shape),
        [
          [6, 28, 28, 1],
          [6, 3],
          [9, 28, 28, 1],
          [9, 3],
        ],
      );
      const task = await draw(fixtures[0]!, 'train', 0);
      const oneHot = (examples: number) =>
        Array.from({ length: examples * 3 }, (_, i) => (Math.floor(i / 3) % 3 === i % 3 ? 1 : 0));
      assert.deepEqual([...task.supportTargets!], oneHot(6));
      assert.deepEqual([...task.queryTargets!], oneHot(9));
    });

    it('shows no drawing twice, and none of its support set among its queries', async () => {
      const task = await draw(keep(smallFixture()), 'train', 3);
      const images = [task.supportInputs!, task.queryInputs!].flatMap((inputs) =>
        Array.from({ length: inputs.length / 784 }, (_, i) => inputs.subarray(i * 784, (i + 1) * 784).join()),
      );
      assert.equal(new Set(images).size, 15);
    });

    it('holds ink from 0 to 1, and mostly paper', async () => {
      const supportInputs = (await draw(keep(smallFixture()), 'train', 1)).supportInputs!;
      assert.equal(
        supportInputs.reduce((a, b) => Math.min(a, b)),
        0,
      );
      assert.ok(supportInputs.every((value) => value >= 0 && value <= 1));
      const ink = supportInputs.reduce((sum, value) => sum + value, 0) / supportInputs.length;
      assert.ok(ink > 0.005 && ink < 0.3, `${ink} of the paper is inked`);
    });

    it('is the same for the same seed, split and index, wholly overwriting what was there, and another for any other', async () => {
      const fixture = keep(smallFixture());
      const task = await draw(fixture, 'train', 4);
      assert.deepEqual(await draw(fixture, 'train', 4), task);
      const distribution = await open(fixture);
      const used = allocateTasks(distribution.facts, 1).task(0);
      for (const array of Object.values(used)) array.fill(Number.NaN);
      distribution.sample('train', 4, used);
      assert.deepEqual(used, task);
      for (const other of [draw(fixture, 'train', 5), draw(fixture, 'test', 4), draw(fixture, 'train', 4, 6)]) {
        assert.notDeepEqual(await other, task);
      }
    });
  });

  describe('rotations', () => {
    it('make four classes of a character, each a quarter turn counter-clockwise on from the last', async () => {
      // One character to train on, four ways: a task holds all its rotations. One drawing for all, so that only the turn differs.
      const fixture = keep(emptyFixture());
      const drawings = characterEntries(small1, 'Greek', 1, 1);
      const same = drawings.map(({ name }) => ({ name, data: drawings[0]!.data }));
      fixture.write(`${small1}.zip`, zipOf([...same, ...characterEntries(small1, 'Early_Aramaic', 1, 2)]));
      fixture.write(`${small2}.zip`, zipOf(characterEntries(small2, 'Tagalog', 1, 3)));
      const distribution = await open(fixture, { ways: 4, shots: 1, queries: 1 });
      assert.deepEqual(
        distribution.classes('train').map(({ name }) => name),
        ['Greek/character01', 'Greek/character01@90', 'Greek/character01@180', 'Greek/character01@270'],
      );
      const task = allocateTasks(distribution.facts, 1).task(0);
      distribution.sample('train', 0, task);
      const image = (way: number) => task.supportInputs!.subarray(way * 784, (way + 1) * 784);
      const turned = (pixels: Float32Array) =>
        Float32Array.from(pixels, (_, i) => pixels[(i % 28) * 28 + 27 - Math.floor(i / 28)]!);
      const next = (way: number) => [0, 1, 2, 3].filter((other) => image(other).join() === turned(image(way)).join());
      const cycle = [0];
      while (cycle.length < 5) {
        const [following, ...others] = next(cycle.at(-1)!);
        assert.ok(following !== undefined && others.length === 0, 'each image turned once is exactly one other');
        cycle.push(following);
      }
      assert.equal(cycle[4], 0);
      assert.equal(new Set(cycle).size, 4);
    });

    it('are left out when the job says so', async () => {
      const distribution = await open(keep(smallFixture()), { rotations: false });
      assert.equal(distribution.classes('train').length, 3);
      assert.equal(distribution.classes('test').length, 3);
    });
  });

  describe('the splits of the small sets', () => {
    it('test on Early_Aramaic and Tagalog, train on the rest, and count an alphabet of both zips once', async () => {
      const distribution = await open(keep(smallFixture()), { rotations: false });
      const names = (split: Split) => distribution.classes(split).map(({ name }) => name);
      assert.deepEqual(names('train'), ['Greek/character01', 'Greek/character02', 'Greek/character03']);
      assert.deepEqual(names('test'), [
        'Early_Aramaic/character01',
        'Early_Aramaic/character02',
        'Tagalog/character01',
      ]);
      assert.deepEqual(names('validation'), []);
    });

    it('can be named by alphabet, validation too', async () => {
      const alphabets = { train: ['Greek'], validation: ['Early_Aramaic'], test: ['Tagalog'] };
      const distribution = await open(
        keep(smallFixture()),
        { alphabets, ways: 2 },
        { usedSplits: ['train', 'validation'] },
      );
      assert.equal(distribution.classes('train').length, 12);
      assert.equal(distribution.classes('validation').length, 8);
    });

    it('are described with their sizes and the hash of their class lists, which changes with any class', async () => {
      const fixture = keep(smallFixture());
      const { splitDescription } = await open(fixture);
      assert.match(
        splitDescription,
        /small set \(not the official drawings\), 28 × 28; classes are characters × 4 rotations: train 12, test 12; class lists sha256 [0-9a-f]{64}$/,
      );
      const other = keep(smallFixture());
      other.write(`${small2}.zip`, zipOf(characterEntries(small2, 'Tagalog', 1, 22)));
      assert.notEqual((await open(other)).splitDescription, splitDescription);
    });
  });

  describe('the data that was read', () => {
    const first = [
      ...[1, 2, 3].flatMap((number) => characterEntries(small1, 'Greek', number, number)),
      ...[1, 2].flatMap((number) => characterEntries(small1, 'Early_Aramaic', number, number + 10)),
    ];
    const second = characterEntries(small2, 'Tagalog', 1, 21);
    const written = (...archives: readonly [ZipEntry[], ZipEntry[]]) => {
      const fixture = keep(emptyFixture());
      fixture.write(`${small1}.zip`, zipOf(archives[0]));
      fixture.write(`${small2}.zip`, zipOf(archives[1]));
      return fixture;
    };
    const dataOf = async (fixture: Fixture) => (await open(fixture)).data;
    const renamed = (entry: ZipEntry, from: string, to: string) => ({ ...entry, name: entry.name.replace(from, to) });
    const swapped = (entries: ZipEntry[]) =>
      entries.map((entry) =>
        renamed(renamed(renamed(entry, 'Greek', '?'), 'Early_Aramaic', 'Greek'), '?', 'Early_Aramaic'),
      );

    it('is the same however the archives were packed', async () => {
      const [data, packedAnew] = await Promise.all([
        dataOf(written(first, second)),
        dataOf(written(first.map((entry) => ({ ...entry, isStored: true })).reverse(), second)),
      ]);
      assert.deepEqual(packedAnew, data);
      assert.deepEqual(
        data.map(({ name, part }) => [name, part]),
        [['omniglot', 'small']],
      );
    });

    it('is other data when one drawing is altered, when two drawings trade places, or when two alphabets do', async () => {
      const [one, other, ...rest] = first;
      const altered = written([{ ...one!, data: drawingOf(4711) }, other!, ...rest], second);
      const traded = written([{ ...one!, data: other!.data }, { ...other!, data: one!.data }, ...rest], second);
      const all = [written(first, second), altered, traded, written(swapped(first), second)];
      const hashes = (await Promise.all(all.map(dataOf))).map(([identity]) => identity!.sha256);
      assert.equal(new Set(hashes).size, all.length);
    });

    it('is refused where the job began with other data, with both hashes, before anything is said about the spec', async () => {
      const [begun] = await dataOf(written(first, second));
      const [here] = await dataOf(written(swapped(first), second));
      const error = await refusalOf(open(fixtures[1]!, { ways: 900 }, { expectedData: [begun!] }));
      assert.equal(error.code, 'DATA_SET_DIFFERS');
      assert.equal(
        error.message,
        `the job keeps to the data it began with, omniglot small sha256 ${begun!.sha256}; ` +
          `read here: omniglot small sha256 ${here!.sha256}`,
      );
      assert.equal((await open(fixtures[0]!, {}, { expectedData: [begun!] })).data[0]?.sha256, begun!.sha256);
    });

    it('is the set that the job began with, also where `auto` would take another one that is here too', async () => {
      const fixture = written(first, second);
      const [begun] = await dataOf(fixture);
      for (const file of ['images_background', 'images_evaluation']) fixture.write(`${file}.zip`, zipOf(second));
      const here = await open(fixture, { dataSet: 'auto' }, { expectedData: [begun!] });
      assert.deepEqual(here.data, [begun]);
    });
  });

  describe('refuses', () => {
    it('validation where there is none, naming what there is', async () => {
      const error = await refusalOf(open(keep(smallFixture()), {}, { usedSplits: ['train', 'validation'] }));
      assert.equal(error.code, 'REQUEST_INVALID');
      assert.match(error.message, /evaluation\.split: got validation; accepted: test/);
    });

    it('more ways than a split has classes', async () => {
      const error = await refusalOf(open(keep(smallFixture()), { ways: 13 }));
      assert.equal(error.code, 'REQUEST_INVALID');
      assert.match(
        error.message,
        /task\.ways: got 13; accepted: at most 12, .* train split \(3 characters × 4 rotations\)/,
      );
    });

    it('as missing data what only the small set cannot do, where the job file leaves the set open', async () => {
      const asks: Readonly<Record<string, unknown>>[] = [
        { ways: 13 },
        { alphabets: { train: ['Greek'], test: ['Klingon'] } },
      ];
      for (const ask of asks) {
        const error = await refusalOf(open(keep(smallFixture()), { ...ask, dataSet: 'auto' }));
        assert.equal(error.code, 'DATA_SET_MISSING');
        assert.match(
          error.message,
          /^task\..*: got .*; the full set, which is not here, may do\. Fetch it with: metatrain /,
        );
      }
    });

    it('an unknown alphabet, listing the known ones', async () => {
      const error = await refusalOf(open(keep(smallFixture()), { alphabets: { train: ['Greek'], test: ['Klingon'] } }));
      assert.equal(error.code, 'REQUEST_INVALID');
      assert.match(error.message, /task\.alphabets\.test: got Klingon; accepted: Early_Aramaic, Greek, Tagalog/);
    });

    it('an evaluation that would show a character of training under another name', async () => {
      const fixture = keep(smallFixture());
      fixture.write(`${small2}.zip`, zipOf(characterEntries(small2, 'Tagalog', 1, 2)));
      const error = await refusalOf(open(fixture));
      assert.equal(error.code, 'REQUEST_INVALID');
      assert.match(error.message, /test split .* the train split: Tagalog\/character01 \(as Greek\/character02\)/);
    });

    it('a test split that would show a character of validation, whichever is evaluated', async () => {
      const fixture = keep(smallFixture());
      fixture.write(`${small2}.zip`, zipOf(characterEntries(small2, 'Tagalog', 1, 11)));
      const alphabets = { train: ['Greek'], validation: ['Early_Aramaic'], test: ['Tagalog'] };
      for (const evaluationSplit of ['validation', 'test'] as const) {
        const error = await refusalOf(open(fixture, { alphabets }, { usedSplits: ['train', evaluationSplit] }));
        assert.equal(error.code, 'REQUEST_INVALID');
        assert.match(
          error.message,
          /the test split would show characters of the validation split: Tagalog\/character01/,
        );
      }
    });

    it('a missing data set, saying what is missing, where it looked and how to fetch it', async () => {
      const fixture = keep(emptyFixture());
      fixture.write(`${small1}.zip`, zipOf(characterEntries(small1, 'Greek', 1, 1)));
      const error = await refusalOf(open(fixture, { dataSet: 'auto' }));
      assert.equal(error.code, 'DATA_SET_MISSING');
      assert.match(
        error.message,
        /full set: images_background\.zip and images_evaluation\.zip; small set: images_background_small2\.zip/,
      );
      assert.ok(error.message.includes(fixture.directory));
      assert.match(error.message, /metatrain datasets fetch omniglot/);
    });

    it('a missing data directory', async () => {
      const error = await refusalOf(open(keep(emptyFixture()), {}, { dataDirectories: [] }));
      assert.match(error.message, /no data directory is set/);
    });

    const entries = characterEntries(small1, 'Greek', 1, 1);
    const whole = zipOf(entries);
    const flipped = Buffer.from(whole);
    // In the checksum of a PNG's chunk, which decoding does not look at.
    flipped[flipped.indexOf('IHDR') + 18]! ^= 1;
    const scrambled = Buffer.from(whole);
    scrambled.fill(0x55, 60, 400);
    const corruptions: readonly (readonly [what: string, archive: Buffer, message: RegExp])[] = [
      ['a zip that is cut in half', whole.subarray(0, whole.byteLength / 2), /./],
      ['a file that is no zip', Buffer.from('<html>404</html>'), /./],
      ['an empty file', Buffer.alloc(0), /./],
      ['a zip whose drawings were overwritten', scrambled, /Greek\/character01/],
      ['a zip with one bit flipped', flipped, /0001_01\.png: its CRC-32 is [0-9a-f]{8}; the archive records /],
      ['a zip without drawings', zipOf([{ name: 'notes.txt', data: Buffer.from('none') }]), /no Omniglot drawing/],
      ['a character with 19 drawings', zipOf(entries.slice(1)), /Greek\/character01 has 19 drawings; accepted: 20/],
      [
        'a drawing that is no PNG',
        zipOf([{ name: entries[0]!.name, data: Buffer.from('GIF89a') }, ...entries.slice(1)]),
        /0001_01\.png: not a PNG/,
      ],
      [
        'a drawing that would unpack to more than 64 KiB',
        zipOf([{ name: entries[0]!.name, data: Buffer.alloc(100_000) }, ...entries.slice(1)]),
        /0001_01\.png: it has 100000 bytes; accepted: at most 65536/,
      ],
    ];
    for (const [what, archive, message] of corruptions) {
      it(`${what}, naming the archive`, async () => {
        const fixture = keep(smallFixture());
        const path = fixture.write(`${small1}.zip`, archive);
        const error = await refusalOf(open(fixture));
        assert.equal(error.code, 'DATA_CORRUPT');
        assert.ok(error.message.startsWith(`${path} is not a whole Omniglot archive: `), error.message);
        assert.match(error.message, message);
      });
    }

    it('a full set with characters missing', async () => {
      const fixture = keep(emptyFixture());
      fixture.write('images_background.zip', zipOf(characterEntries('images_background', 'Greek', 1, 1)));
      fixture.write('images_evaluation.zip', zipOf(characterEntries('images_evaluation', 'Angelic', 1, 2)));
      const error = await refusalOf(open(fixture, { dataSet: 'auto' }));
      assert.equal(error.code, 'DATA_CORRUPT');
      assert.match(error.message, /1623 characters; its archives hold 2/);
    });
  });

  it('is read again after a failure, once the archive is whole', async () => {
    const fixture = keep(smallFixture());
    const greek = [1, 2, 3].flatMap((number) => characterEntries(small1, 'Greek', number, number));
    fixture.write(`${small1}.zip`, Buffer.from('half a download'));
    await refusalOf(open(fixture));
    fixture.write(`${small1}.zip`, zipOf([...greek, ...characterEntries(small1, 'Early_Aramaic', 1, 11)]));
    assert.equal((await open(fixture)).classes('train').length, 12);
  });
});
