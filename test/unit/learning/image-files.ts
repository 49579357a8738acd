// Writes images for tests: PNGs of every kind, JPEGs with the encoder that comes with the decoder, and a
// folder of coloured shapes on noise in the layout of the distribution `image-folder`.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { deflateSync } from 'node:zlib';
import type { Image } from '../../../learning/tasks.ts';
import { taskRng } from '../../../shared/rng.ts';
import { crc32 } from '../../../worker/learning/files/crc32.ts';

export function pngChunk(type: string, data: Uint8Array): Buffer {
  const bytes = Buffer.alloc(12 + data.byteLength);
  bytes.writeUInt32BE(data.byteLength, 0);
  bytes.write(type, 4, 'latin1');
  bytes.set(data, 8);
  bytes.writeUInt32BE(crc32(bytes.subarray(4, -4)), bytes.byteLength - 4);
  return bytes;
}

export interface PngKind {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  /** 0 grey, 2 colour, 3 palette, 4 grey with alpha, 6 colour with alpha. */
  readonly colourType: number;
  /** Rows of packed samples, big-endian, without filter bytes. */
  readonly rows: readonly (readonly number[])[];
  readonly isInterlaced?: boolean;
  /** Between header and pixels. */
  readonly chunks?: readonly Buffer[];
}

export function pngFile({
  width,
  height,
  depth,
  colourType,
  rows,
  isInterlaced = false,
  chunks = [],
}: PngKind): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colourType, 0, 0, isInterlaced ? 1 : 0], 8);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    pngChunk('IHDR', header),
    ...chunks,
    pngChunk('IDAT', deflateSync(Buffer.from(rows.flatMap((row) => [0, ...row])))),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

/** 8 bits of grey or colour. */
export function pngOfImage({ width, height, channels, data }: Image): Buffer {
  const rows = Array.from({ length: height }, (_, y) => [
    ...data.subarray(y * width * channels, (y + 1) * width * channels),
  ]);
  return pngFile({ width, height, depth: 8, colourType: channels === 1 ? 0 : 2, rows });
}

interface Encoder {
  encode(rgba: Uint8Array, width: number, height: number, options: object): Uint8Array;
}

let encoder: Promise<Encoder> | undefined;

async function startEncoder(): Promise<Encoder> {
  const { default: factory } = await import('@jsquash/jpeg/codec/enc/mozjpeg_enc.js');
  const file = createRequire(import.meta.url).resolve('@jsquash/jpeg/codec/enc/mozjpeg_enc.wasm');
  return (factory as unknown as (options: object) => Promise<Encoder>)({ wasmBinary: readFileSync(file) });
}

/** A colour JPEG. */
export async function jpegOfImage({ width, height, data }: Image & { channels: 3 }, quality = 90): Promise<Buffer> {
  const { defaultOptions } = await import('@jsquash/jpeg/meta.js');
  const rgba = new Uint8Array(4 * width * height).fill(255);
  for (let pixel = 0; pixel < width * height; pixel++) rgba.set(data.subarray(3 * pixel, 3 * pixel + 3), 4 * pixel);
  encoder ??= startEncoder();
  return Buffer.from((await encoder).encode(rgba, width, height, { ...defaultOptions, quality }));
}

/**
 * A disc, a square or a cross in the class's colour somewhere on dark noise; of 20 to 39 pixels a side. Bright
 * backgrounds would make an inner step on an mlp of so many inputs too steep for finite differences.
 */
export function shapeOf(shape: number, example: number): Image & { channels: 3 } {
  const rng = taskRng(shape, 'test shape', example);
  const [width, height] = [Math.floor(rng.between(20, 40)), Math.floor(rng.between(20, 40))];
  const colour = [0, 1, 2].map((channel) => (((shape + 1) * [97, 57, 23][channel]!) % 200) + 40);
  const size = Math.min(width, height) * rng.between(0.2, 0.3);
  const [centerX, centerY] = [rng.between(size, width - size), rng.between(size, height - size)];
  const data = new Uint8Array(3 * width * height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const [x, y] = [Math.abs((pixel % width) - centerX), Math.abs(Math.floor(pixel / width) - centerY)];
    const isInside = [x * x + y * y < size * size, Math.max(x, y) < size, Math.min(x, y) < size / 3 && x + y < size];
    const noise = () => rng.between(0, 40);
    for (const [channel, level] of colour.entries()) {
      data[3 * pixel + channel] = Math.max(0, Math.min(255, (isInside[shape % 3] ? level : 0) + noise()));
    }
  }
  return { width, height, channels: 3, data };
}

/** Classes of shapes at `directory` as PNGs, `<class>/<number>.png`; the place of a name decides what is drawn. */
export function writeShapes(directory: string, classes: readonly string[], images: number): void {
  for (const [shape, name] of classes.entries()) {
    for (let example = 0; example < images; example++) {
      writeImage(directory, `${name}/${numbered(example)}.png`, pngOfImage(shapeOf(shape, example)));
    }
  }
}

/** As `writeShapes`, every third image a JPEG. */
export async function writeMixedShapes(directory: string, classes: readonly string[], images: number): Promise<void> {
  writeShapes(directory, classes, images);
  for (const [shape, name] of classes.entries()) {
    for (let example = 2; example < images; example += 3) {
      rmSync(join(directory, name, `${numbered(example)}.png`));
      writeImage(directory, `${name}/${numbered(example)}.JPG`, await jpegOfImage(shapeOf(shape, example)));
    }
  }
}

const numbered = (example: number): string => String(example + 1).padStart(3, '0');

export function writeImage(directory: string, file: string, content: Uint8Array): void {
  const path = join(directory, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
