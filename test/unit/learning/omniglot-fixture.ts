// A small Omniglot in the official layout: a zip and a PNG writer of their own, and drawings from a stream. Three alphabets in the two small sets,
// two of them those that test, so every path of the real reader is taken without the real data.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync, deflateSync } from 'node:zlib';
import { taskRng } from '../../../shared/rng.ts';
import { crc32 } from '../../../worker/learning/files/crc32.ts';
import { writeCifar100 } from './cifar-files.ts';
import { cifarNames } from './cifar-names.ts';
import { digitArrays } from './digit-files.ts';
import { pngChunk, pngOfImage, shapeOf, writeImage } from './image-files.ts';
import { writeTexts } from './text-files.ts';

export interface ZipEntry {
  readonly name: string;
  readonly data: Buffer;
  /** Deflated unless true. */
  readonly isStored?: boolean;
  /** As Unix's `st_mode`, such as a symbolic link's; absent: none is recorded. */
  readonly unixMode?: number;
}

/** A zip (PKWARE APPNOTE 6.3). */
export function zipOf(entries: readonly ZipEntry[]): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const { name, data, isStored = false, unixMode } of entries) {
    const content = isStored ? data : deflateRawSync(data);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(isStored ? 0 : 8, 4);
    fields.writeUInt32LE(crc32(data), 10);
    fields.writeUInt32LE(content.byteLength, 14);
    fields.writeUInt32LE(data.byteLength, 18);
    fields.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name), content]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    tail.writeUInt16LE(unixMode ?? 0, 8);
    const madeBy = Buffer.from(`PK\x01\x02\x14${unixMode === undefined ? '\x00' : '\x03'}`, 'latin1');
    centrals.push(Buffer.concat([madeBy, fields, tail, Buffer.from(name)]));
    locals.push(local);
    offset += local.byteLength;
  }
  const directory = Buffer.concat(centrals);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 0, 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(directory.byteLength, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}

export interface PngOptions {
  readonly depth?: number;
  /** The filter byte of each row; the row's bytes are written as they are. */
  readonly filter?: number;
}

/** A greyscale PNG of rows that are packed already. */
export function pngOf(
  width: number,
  height: number,
  rows: Uint8Array,
  { depth = 1, filter = 0 }: PngOptions = {},
): Buffer {
  const stride = rows.length / height;
  const filtered = Buffer.alloc((stride + 1) * height);
  for (let y = 0; y < height; y++) {
    filtered[y * (stride + 1)] = filter;
    filtered.set(rows.subarray(y * stride, (y + 1) * stride), y * (stride + 1) + 1);
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header[8] = depth;
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([
    signature,
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(filtered)),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

const side = 105;
const stride = Math.ceil(side / 8);

/** 105 × 105, white, with a blot of ink and a few strokes that `seed` chooses. */
export function drawingOf(seed: number): Buffer {
  const rng = taskRng(seed, 'test drawing', 0);
  const rows = new Uint8Array(stride * side).fill(0xff);
  for (let stroke = 0; stroke < 4; stroke++) {
    let [x, y] = [rng.between(20, 85), rng.between(20, 85)];
    const [dx, dy] = [rng.between(-1, 1), rng.between(-1, 1)];
    for (let step = 0; step < 30; step++) {
      [x, y] = [Math.min(103, Math.max(0, x + dx)), Math.min(103, Math.max(0, y + dy))];
      for (const [column, row] of [
        [0, 0],
        [1, 0],
        [0, 1],
        [1, 1],
      ] as const) {
        const at = Math.floor(x) + column;
        rows[(Math.floor(y) + row) * stride + (at >> 3)]! &= ~(0x80 >> (at & 7));
      }
    }
  }
  return pngOf(side, side, rows);
}

/** The entries of one character: 20 drawings that `seed` chooses. */
export function characterEntries(set: string, alphabet: string, character: number, seed: number): ZipEntry[] {
  const folder = `${set}/${alphabet}/character${String(character).padStart(2, '0')}`;
  return Array.from({ length: 20 }, (_, index) => ({
    name: `${folder}/${String(seed).padStart(4, '0')}_${String(index + 1).padStart(2, '0')}.png`,
    data: drawingOf(seed * 100 + index),
    isStored: index % 2 === 0,
  }));
}

export interface Fixture {
  /** To be given as a data directory. */
  readonly directory: string;
  write(file: string, content: Buffer): string;
  remove(): void;
}

export function emptyFixture(): Fixture {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-omniglot-'));
  mkdirSync(join(directory, 'omniglot'));
  return {
    directory,
    write(file, content) {
      const path = join(directory, 'omniglot', file);
      writeFileSync(path, content);
      return path;
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/**
 * Greek with 3 characters in both sets; Early_Aramaic and Tagalog, the test alphabets, with 2 and
 * 1. Beside it a folder of images, `shapes`, of five classes, digits as EMNIST, CIFAR-100 with 3
 * images a class, and sentences of five intents, as CSV and as CLINC150's file.
 */
export function smallFixture(): Fixture {
  const fixture = emptyFixture();
  const greek = (set: string) => [1, 2, 3].flatMap((number) => characterEntries(set, 'Greek', number, number));
  const first = 'images_background_small1';
  fixture.write(
    `${first}.zip`,
    zipOf([
      ...greek(first),
      ...characterEntries(first, 'Early_Aramaic', 1, 11),
      ...characterEntries(first, 'Early_Aramaic', 2, 12),
    ]),
  );
  const second = 'images_background_small2';
  fixture.write(`${second}.zip`, zipOf([...greek(second), ...characterEntries(second, 'Tagalog', 1, 21)]));
  // Nothing tells the classes apart: losses near 0, and with them gradients, would drown in rounding.
  for (const [number, name] of ['amber', 'blue', 'coral', 'dune', 'elm'].entries()) {
    for (let example = 0; example < 3; example++) {
      const image = pngOfImage(shapeOf(5 * example + 2 * number, number));
      writeImage(join(fixture.directory, 'shapes'), `${name}/${example}.png`, image);
    }
  }
  writeTexts(fixture.directory);
  writeImage(join(fixture.directory, 'emnist'), 'digits.npz', zipOf(digitArrays()));
  writeCifar100(fixture.directory, { ...cifarNames, images: 3 });
  return fixture;
}
