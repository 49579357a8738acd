// A folder of a user's own images as tasks: what is drawn, how it is split, what is kept, and every
// refusal.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { parseJobSpec } from '../../../learning/job-file.ts';
import { resize, toGrey } from '../../../learning/tasks/resample.ts';
import type { Image } from '../../../learning/tasks.ts';
import { allocateTasks } from '../../../worker/learning/arrays.ts';
import { pngOfImage, shapeOf, writeImage, writeMixedShapes, writeShapes } from './image-files.ts';
import { zipOf } from './omniglot-fixture.ts';
import { openTasks, type TaskContext } from './open-tasks.ts';

const names = ['amber', 'blue', 'coral', 'dune', 'elm'];
const lists = { train: names.slice(0, 3), test: names.slice(3) };
const small = { distribution: 'image-folder', folder: 'shapes', ways: 2, shots: 1, queries: 2, size: 8, splits: lists };

interface Place {
  /** To be given as a data directory. */
  readonly directory: string;
  readonly shapes: string;
}

function placeFor(t: TestContext): Place {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-images-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return { directory, shapes: join(directory, 'shapes') };
}

function withShapes(t: TestContext, classes = names, images = 4): Place {
  const place = placeFor(t);
  writeShapes(place.shapes, classes, images);
  return place;
}

const open = ({ directory }: Place, task: object = {}, context: Partial<TaskContext> = {}) =>
  openTasks(
    { ...small, ...task },
    { seed: 1, dataDirectories: [directory], usedSplits: ['train', 'test'], ...context },
  );

async function drawn(place: Place, task: object = {}, index = 0, split: 'train' | 'test' = 'train') {
  const tasks = await open(place, task);
  const arrays = allocateTasks(tasks.facts, 1).task(0);
  for (const array of Object.values(arrays)) array.fill(Number.NaN);
  tasks.sample(split, index, arrays);
  return { tasks, arrays };
}

/** What an input must be, by our own resampler, whose bytes are Pillow's. */
const numbersOf = (image: Image, size: readonly [number, number]) =>
  Float32Array.from(resize(image, size, 'lanczos').data, (level) => level / 255).join();

describe('tasks of a folder of images', () => {
  it('show images of the chosen classes, resized, from 0 to 1, each in the row of its class, none twice', async (t) => {
    const place = withShapes(t, [...names, 'fir']);
    const { tasks, arrays } = await drawn(place, {
      ways: 3,
      size: [8, 10],
      splits: { train: lists.train, test: ['dune', 'elm', 'fir'] },
    });
    assert.deepEqual(tasks.facts.input, [8, 10, 3]);
    const known = new Map<string, string>();
    for (const [shape, name] of names.entries()) {
      for (let example = 0; example < 4; example++)
        known.set(numbersOf(shapeOf(shape, example), [8, 10]), `${name} ${example}`);
    }
    const shown: string[] = [];
    const labels = new Map<string, number>();
    for (const [inputs, targets] of [
      [arrays.supportInputs!, arrays.supportTargets!],
      [arrays.queryInputs!, arrays.queryTargets!],
    ] as const) {
      for (let row = 0; row < inputs.length / 240; row++) {
        const image = known.get(inputs.subarray(row * 240, (row + 1) * 240).join());
        assert.ok(image, 'an input is one of the images');
        shown.push(image);
        const oneHot = [...targets.subarray(row * 3, row * 3 + 3)];
        assert.deepEqual([...oneHot].sort(), [0, 0, 1]);
        const label = oneHot.indexOf(1);
        assert.equal(label, row % 3, 'all classes in turn');
        const name = image.split(' ')[0]!;
        assert.equal(labels.get(name) ?? label, label);
        labels.set(name, label);
      }
    }
    assert.equal(new Set(shown).size, 9);
    assert.deepEqual([...labels.keys()].sort(), lists.train);
  });

  it('are those of the folder where a zip archive has it, with a folder around it or not', async (t) => {
    const place = withShapes(t);
    const files = readdirSync(place.shapes, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const entries = files.map(({ name, parentPath }) => ({
      name: join(parentPath.slice(place.shapes.length + 1), name),
      data: readFileSync(join(parentPath, name)),
    }));
    writeImage(place.directory, 'bare.zip', zipOf(entries));
    const around = entries.map(({ name, data }) => ({ name: `shapes/${name}`, data }));
    const hidden = { name: '__MACOSX/amber/._000.png', data: Buffer.of(1) };
    writeImage(place.directory, 'around.zip', zipOf([...around, hidden]));
    const { tasks, arrays } = await drawn(place);
    for (const folder of ['bare.zip', 'around.zip']) {
      const archived = await drawn(place, { folder });
      assert.deepEqual(archived.arrays, arrays);
      assert.deepEqual(archived.tasks.data, [{ ...tasks.data[0], part: folder }]);
    }
    writeImage(place.directory, 'cut.zip', zipOf(entries).subarray(0, -30));
    await assert.rejects(open(place, { folder: 'cut.zip' }), {
      code: 'DATA_CORRUPT',
      message: /cut\.zip is not a whole folder/,
    });
  });

  it('are functions of seed, split and number alone', async (t) => {
    const place = withShapes(t);
    const [once, again, other] = [await drawn(place, {}, 5), await drawn(place, {}, 5), await drawn(place, {}, 6)];
    assert.deepEqual(once.arrays, again.arrays);
    assert.notDeepEqual(once.arrays, other.arrays);
  });

  it('are grey where the job asks for one channel, also of a mixed folder', async (t) => {
    const place = withShapes(t);
    const { tasks, arrays } = await drawn(place, { channels: 1 });
    assert.deepEqual(tasks.facts.input, [8, 8, 1]);
    const known = lists.train.flatMap((_, shape) =>
      [0, 1, 2, 3].map((example) => numbersOf(toGrey(shapeOf(shape, example)), [8, 8])),
    );
    assert.ok(known.includes(arrays.supportInputs!.subarray(0, 64).join()));
    writeImage(place.shapes, 'amber/grey.png', pngOfImage(toGrey(shapeOf(0, 9))));
    assert.deepEqual((await open(place)).facts.input, [8, 8, 3]);
  });

  it('take PNG and JPEG by what is in the file, whatever the case of its ending, and leave other files alone', async (t) => {
    const place = placeFor(t);
    await writeMixedShapes(place.shapes, names, 4);
    writeFileSync(join(place.shapes, 'amber', 'notes.txt'), 'no image');
    writeFileSync(join(place.shapes, 'amber', '.DS_Store'), 'no image');
    mkdirSync(join(place.shapes, '.hidden'));
    renameSync(join(place.shapes, 'blue', '001.png'), join(place.shapes, 'blue', '001.jpeg'));
    assert.ok(readdirSync(join(place.shapes, 'amber')).includes('003.JPG'));
    const tasks = await open(place, { queries: 3 });
    assert.deepEqual(
      tasks.classes('train').map(({ name }) => name),
      lists.train,
    );
  });

  it('are of data with a name, a part and a hash of names and pixels', async (t) => {
    const place = withShapes(t);
    const identityOf = async (task: object = {}) => (await open(place, task)).data;
    const [first] = await identityOf();
    assert.deepEqual([first!.name, first!.part], ['image-folder', 'shapes']);
    assert.match(first!.sha256, /^[0-9a-f]{64}$/);
    assert.deepEqual(await identityOf(), [first]);
    assert.notDeepEqual(await identityOf({ size: 9 }), [first]);
    renameSync(join(place.shapes, 'amber', '001.png'), join(place.shapes, 'amber', '0001.png'));
    const [renamed] = await identityOf();
    assert.notEqual(renamed!.sha256, first!.sha256);
    writeImage(place.shapes, 'amber/0001.png', pngOfImage(shapeOf(0, 77)));
    assert.notEqual(
      (await identityOf())[0]!.sha256,
      renamed!.sha256,
      'a changed file is read again by the same process',
    );
    await assert.rejects(open(place, {}, { expectedData: [first!] }), { code: 'DATA_SET_DIFFERS' });
  });

  it('are decoded once and kept in the last data directory; a broken file there is made anew', async (t) => {
    const place = withShapes(t);
    const cache = join(place.directory, '.cache');
    const before = await drawn(place, { size: 11 });
    const [file, ...others] = readdirSync(cache);
    assert.deepEqual(others, []);
    writeFileSync(join(cache, file!), 'broken');
    // another folder name with the same files: nothing in memory, the same key on the disk
    const copy = withShapes(t);
    cpSync(cache, join(copy.directory, '.cache'), { recursive: true });
    assert.deepEqual((await drawn(copy, { size: 11 })).arrays, before.arrays);
  });
});

describe('the splits of a folder of images', () => {
  const ten = Array.from({ length: 10 }, (_, index) => `class ${index}`);
  const namesOf = async (place: Place, task: object) => {
    const tasks = await open(place, task);
    return (['train', 'validation', 'test'] as const).map((split) => tasks.classes(split).map(({ name }) => name));
  };

  it('follow from the hashes of the names by default, as many as the shares say', async (t) => {
    const place = withShapes(t, ten, 3);
    const usual = await namesOf(place, { splits: undefined });
    // by: for i in 0 to 9: printf 'class i' | sha256sum, sorted by hash: the first two
    assert.deepEqual(usual[2], ['class 8', 'class 9']);
    assert.deepEqual(
      usual.map((one) => one.length),
      [8, 0, 2],
    );
    const shares = await namesOf(place, { splits: { byHash: { validation: 0.3, test: 0.2 } } });
    assert.deepEqual(
      shares.map((one) => one.length),
      [5, 3, 2],
    );
    assert.deepEqual(shares[2], usual[2]);
    assert.deepEqual([...new Set(shares.flat())].sort(), ten);
  });

  it('are those of lists of files and labels, as miniImageNet publishes them', async (t) => {
    const place = placeFor(t);
    for (const [shape, name] of ['a1', 'a2', 'b1', 'b2', 'c1', 'c2', 'd1', 'd2'].entries())
      writeImage(place.shapes, `images/${name}.png`, pngOfImage(shapeOf(shape, 0)));
    const list = (file: string, ...rows: string[]) =>
      writeFileSync(join(place.shapes, file), ['filename,label', ...rows, ''].join('\n'));
    list('train.csv', 'a1.png,amber', 'b1.png,blue', 'a2.png,amber', 'b2.png,blue');
    list('val.csv', 'c1.png,coral', 'c2.png,coral');
    list('test.csv', 'd1.png,dune', 'd2.png,dune', 'c1.png,elm', 'c2.png,elm');
    const task = { splits: undefined, queries: 1 };
    await assert.rejects(open(place, task), { code: 'REQUEST_INVALID', message: /splits that share no image/ });
    list('val.csv');
    assert.deepEqual(await namesOf(place, task), [['amber', 'blue'], [], ['dune', 'elm']]);
    list('test.csv', '../d1.png,dune');
    await assert.rejects(open(place, task), {
      code: 'DATA_CORRUPT',
      message: /test\.csv: line 2 is \.\.\/d1\.png,dune; accepted: the name of a PNG or JPEG in images, and a label$/,
    });
  });

  it('are the folders train, validation and test where the folder has them', async (t) => {
    const place = placeFor(t);
    writeShapes(join(place.shapes, 'train'), names.slice(0, 2), 3);
    // the place of a name decides what is drawn
    writeShapes(join(place.directory, 'all'), names, 3);
    mkdirSync(join(place.shapes, 'test'));
    for (const name of names.slice(2)) renameSync(join(place.directory, 'all', name), join(place.shapes, 'test', name));
    assert.deepEqual(await namesOf(place, { splits: undefined }), [['amber', 'blue'], [], ['coral', 'dune', 'elm']]);
    await assert.rejects(open(place), {
      code: 'REQUEST_INVALID',
      message: /^task\.splits: got splits; accepted: none, as shapes itself/,
    });
    mkdirSync(join(place.shapes, 'extra'));
    await assert.rejects(open(place, { splits: undefined }), {
      code: 'DATA_CORRUPT',
      message: /beside train and test there is extra; accepted: train, validation, test/,
    });
    rmSync(join(place.shapes, 'extra'), { recursive: true });
    writeImage(place.shapes, 'test/amber/1.png', pngOfImage(shapeOf(8, 8)));
    await assert.rejects(open(place, { splits: undefined }), {
      message: /^task\.folder: got shapes, whose class "amber" is in train and in test/,
    });
  });

  it('may be lists that leave classes out', async (t) => {
    const place = withShapes(t, ten, 3);
    const listed = { train: ['class 3', 'class 1'], validation: ['class 0'], test: ['class 9', 'class 8'] };
    assert.deepEqual(await namesOf(place, { splits: listed }), [
      ['class 1', 'class 3'],
      ['class 0'],
      ['class 8', 'class 9'],
    ]);
  });
});

describe('refusing a folder of images', () => {
  const refuses = (what: string, prepare: (place: Place) => void, task: object, code: string, message: RegExp) =>
    it(`says so of ${what}`, async (t) => {
      const place = withShapes(t);
      prepare(place);
      await assert.rejects(open(place, task), { code, message });
    });
  const invalid = 'REQUEST_INVALID';
  const image = pngOfImage(shapeOf(9, 9));

  refuses(
    'a folder that is missing, with where it was looked for',
    () => {},
    { folder: 'birds/small' },
    'DATA_SET_MISSING',
    /^the folder of images "birds\/small" is not here; searched: .*birds.small$/,
  );
  refuses(
    'a folder without images',
    ({ shapes }) => {
      rmSync(shapes, { recursive: true });
      mkdirSync(join(shapes, 'amber'), { recursive: true });
    },
    {},
    'DATA_CORRUPT',
    /shapes is not a whole folder of images: it has no images; accepted: folders of PNG and JPEG files, one a class$/,
  );
  refuses(
    'a folder with one class',
    ({ shapes }) => {
      for (const name of names.slice(1)) rmSync(join(shapes, name), { recursive: true });
    },
    {},
    invalid,
    /^task\.folder: got shapes, which has one class, "amber"; accepted: a folder of several classes/,
  );
  refuses(
    'classes with too few images, by name',
    ({ shapes }) => {
      for (const name of ['001', '002']) rmSync(join(shapes, 'dune', `${name}.png`));
    },
    {},
    invalid,
    /^task\.queries: got 2 with task\.shots 1, which take 3 images of each class; accepted: what every class has: "dune" has 2$/,
  );
  refuses(
    'a class folder that is empty',
    ({ shapes }) => rmSync(join(shapes, 'dune'), { recursive: true }),
    { splits: { ...lists, test: ['elm', 'dune'] } },
    invalid,
    /^task\.splits\.test: got dune; accepted: amber, blue, coral, elm$/,
  );
  refuses(
    'broken images, with their paths and reasons',
    ({ shapes }) => {
      writeImage(shapes, 'blue/001.png', image.subarray(0, -20));
      writeImage(shapes, 'elm/x.jpg', Buffer.from('GIF89a'));
    },
    {},
    'DATA_CORRUPT',
    /shapes is not a whole folder of images: blue\/001\.png: it is cut off; elm\/x\.jpg: it is neither a PNG nor a JPEG$/,
  );
  refuses(
    'many broken images, the first five by name',
    ({ shapes }) => {
      for (let i = 0; i < 7; i++) writeImage(shapes, `elm/x${i}.png`, Buffer.from('no'));
    },
    {},
    'DATA_CORRUPT',
    /elm\/x4\.png: [^;]*; and 2 more images$/,
  );
  refuses(
    'an image of too many pixels',
    ({ shapes }) => {
      const huge = Buffer.from(image);
      huge.writeUInt32BE(70_000, 16);
      huge.writeUInt32BE(70_000, 20);
      writeImage(shapes, 'elm/huge.png', huge);
    },
    {},
    'DATA_CORRUPT',
    /elm\/huge\.png: it measures 70000 × 70000 pixels; accepted: 1 to 33,554,432 pixels$/,
  );
  refuses(
    'a file of too many bytes',
    ({ shapes }) => writeImage(shapes, 'elm/large.png', Buffer.alloc(32 * 2 ** 20 + 1)),
    {},
    'DATA_CORRUPT',
    /elm\/large\.png: it has 33554433 bytes; accepted: at most 33554432$/,
  );
  refuses(
    'a listed class that is not there',
    () => {},
    { splits: { train: ['amber', 'fir'], test: ['elm', 'dune'] } },
    invalid,
    /^task\.splits\.train: got fir; accepted: amber, blue, coral, dune, elm$/,
  );
  refuses(
    'more ways than a split has classes',
    () => {},
    { ways: 3 },
    invalid,
    /^task\.ways: got 3; accepted: at most 2, the classes of the test split \(train 3, test 2\)$/,
  );
  refuses(
    'one image in two splits, under other names',
    ({ shapes }) => writeImage(shapes, 'elm/copy.png', pngOfImage(shapeOf(0, 1))),
    {},
    invalid,
    /^task\.splits: got a test split that would show images of another split: elm\/copy\.png \(in the train split as amber\/002\.png\); accepted: splits that share no image$/,
  );

  it('says so of a split without classes', async (t) => {
    const opening = open(withShapes(t), { splits: { byHash: {} } }, { usedSplits: ['train', 'validation'] });
    await assert.rejects(opening, {
      code: invalid,
      message: /^evaluation\.split: got validation; accepted: test, as the validation split of shapes has no class/,
    });
  });

  it('says so of images that take too much memory', async (t) => {
    // refused before any file is read
    const place = placeFor(t);
    for (let number = 0; number < 700; number++)
      writeImage(place.shapes, `${names[number % 2]}/${number}.png`, new Uint8Array());
    await assert.rejects(open(place, { size: 1024, splits: undefined }), {
      code: invalid,
      message: /^task\.size: got 700 images of 3,145,728 bytes each, .*; accepted: at most 2/,
    });
  });
});

describe("an image folder's section of a job file", () => {
  const parse = (task: object, others: object = {}) =>
    parseJobSpec(
      JSON.stringify({
        name: 'x',
        task: { distribution: 'image-folder', folder: 'birds', ...task },
        model: { architecture: 'conv4' },
        algorithm: { name: 'maml' },
        meta: { iterations: 1, batchSize: 1 },
        ...others,
      }),
    );
  const both = { train: ['a', 'b'], test: ['c'] };
  const refusals: readonly (readonly [task: object, message: RegExp])[] = [
    [{ folder: '../birds' }, /task\.folder: got "\.\.\/birds"; accepted: the name of a folder in a data directory/],
    [{ folder: '/birds' }, /task\.folder: got /],
    [{ folder: '.cache' }, /task\.folder: got /],
    [{ folder: undefined }, /task\.folder: got nothing; accepted: a text/],
    [{ size: 2 }, /task\.size: got 2; accepted: 4 to 1024 pixels, or \[height, width\]/],
    [{ size: [84] }, /task\.size: got \[84\]; accepted: 4 to 1024/],
    [{ channels: 2 }, /task\.channels: got 2; accepted: 1 \| 3/],
    [{ filter: 'nearest' }, /task\.filter: got "nearest"; accepted: box \| bilinear \| hamming \| bicubic \| lanczos/],
    [{ splits: {} }, /task\.splits\.train: got nothing; accepted: a list of the classes of the train split/],
    [{ splits: { train: ['a'] } }, /task\.splits\.test: got nothing/],
    [
      { splits: { ...both, byHash: {} } },
      /task\.splits: got train, test and byHash; accepted: lists of classes, or byHash/,
    ],
    [{ splits: { ...both, test: ['c', 'b'] } }, /task\.splits\.test: got b; accepted: no class of task\.splits\.train/],
    [
      { splits: { ...both, validation: ['c'] } },
      /task\.splits\.test: got c; accepted: no class of task\.splits\.validation/,
    ],
    [{ splits: { ...both, train: ['a', 'a'] } }, /task\.splits\.train: got a twice; accepted: every class once/],
    [
      { splits: { byHash: { validation: 0.5, test: 0.5 } } },
      /task\.splits\.byHash: got validation 0\.5 and test 0\.5; accepted: shares that leave classes to train/,
    ],
    [{ splits: { byHash: { test: 1 } } }, /task\.splits\.byHash\.test: got 1; accepted: at most 0\.9/],
  ];
  for (const [task, message] of refusals) {
    it(`refuses ${JSON.stringify(task)}`, () => {
      assert.throws(() => parse(task), { code: 'REQUEST_INVALID', message });
    });
  }

  it('refuses an evaluation on a split that has no list', () => {
    assert.throws(() => parse({ splits: both }, { evaluation: { split: 'validation' } }), {
      message: /task\.splits\.validation: got nothing/,
    });
  });

  it('takes names with spaces, letters of any script, and folders in folders', () => {
    for (const folder of ['birds', 'my birds/2024', 'Vögel', '鳥', '_a-b.c'])
      assert.equal(parse({ folder }).task.folder, folder);
  });

  it('is refused with a model that needs larger images', () => {
    assert.throws(() => parse({ size: 8 }), { message: /conv4 needs images of at least 16 × 16/ });
  });
});
