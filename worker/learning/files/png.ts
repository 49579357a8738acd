// Decodes PNGs of any kind to 8 bits of grey or colour with fast-png; what is transparent is laid on white. Checks first what fast-png does
// not: the size, before anything is allocated for it, and that the pixels are whole and no more than the size says (node:zlib).
// Chunks without pixels, such as texts and colour profiles, are left out unread. eXIf's orientation is not applied.
import { inflateSync } from 'node:zlib';
import { convertIndexedToRgb, decode } from 'fast-png';
import type { Image } from '../../../learning/tasks.ts';
import { refuseSize } from './image-size.ts';

export const pngSignature: Uint8Array = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

/** Chunks that hold pixels or say how to read them. */
const kept = ['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND'];

/** Samples of a pixel by colour type (PNG 3rd edition, W3C 2025, table 8). */
const samplesOf: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

interface Header {
  readonly width: number;
  readonly height: number;
  /** Bits of a pixel. */
  readonly bits: number;
  readonly hasPalette: boolean;
  readonly isInterlaced: boolean;
}

/** @throws Error that says what is wrong with the image; the caller adds where it comes from. */
export function decodePng(png: Uint8Array, maxPixels: number): Image {
  const bytes = Buffer.from(png.buffer, png.byteOffset, png.byteLength);
  const chunks = chunksOf(bytes);
  const header = headerOf(chunks[0]);
  refuseSize(header, maxPixels);
  refuseOtherLength(header, Buffer.concat(chunks.flatMap(({ type, data }) => (type === 'IDAT' ? data : []))));
  const necessary = chunks.filter(({ type }) => kept.includes(type)).map(({ whole }) => whole);
  const decoded = decode(Buffer.concat([pngSignature, ...necessary]), { checkCrc: true });
  const { width, height, depth, palette, transparency } = decoded;
  if (header.hasPalette) {
    const channels = palette?.[0]?.length;
    if (channels === undefined) throw new Error('its palette is missing');
    return onWhite({ width, height, channels, samples: convertIndexedToRgb(decoded), most: 255 });
  }
  const samples = depth < 8 ? unpack(decoded.data as Uint8Array, width, height, depth) : decoded.data;
  const [channels, most] = [decoded.channels, 2 ** depth - 1];
  return onWhite({ width, height, channels, samples, most, ...(transparency && { transparent: transparency }) });
}

interface Chunk {
  readonly type: string;
  readonly data: Buffer;
  /** With its length, type and checksum. */
  readonly whole: Buffer;
}

function chunksOf(bytes: Buffer): Chunk[] {
  const chunks: Chunk[] = [];
  for (let offset = pngSignature.length; chunks.at(-1)?.type !== 'IEND'; ) {
    if (offset + 12 > bytes.byteLength) throw new Error('it is cut off');
    const end = offset + 12 + bytes.readUInt32BE(offset);
    if (end > bytes.byteLength) throw new Error('it is cut off');
    const type = bytes.toString('latin1', offset + 4, offset + 8);
    chunks.push({ type, data: bytes.subarray(offset + 8, end - 4), whole: bytes.subarray(offset, end) });
    offset = end;
  }
  return chunks;
}

function headerOf(chunk: Chunk | undefined): Header {
  if (chunk?.type !== 'IHDR' || chunk.data.byteLength !== 13) throw new Error('its header chunk is missing');
  const { data } = chunk;
  const [depth, colourType, , , interlace] = data.subarray(8) as unknown as [number, number, number, number, number];
  const samples = samplesOf[colourType];
  if (samples === undefined) throw new Error(`colour type ${colourType}; accepted: 0, 2, 3, 4 and 6`);
  const isInterlaced = interlace !== 0;
  // fast-png takes a byte a pixel in these
  if (isInterlaced && depth < 8) throw new Error(`interlaced with ${depth} bits a sample; accepted: 8 and 16`);
  return {
    width: data.readUInt32BE(0),
    height: data.readUInt32BE(4),
    bits: depth * samples,
    hasPalette: colourType === 3,
    isInterlaced,
  };
}

/** Adam7's passes: where each begins and how far it steps. */
const adam7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/** A few kilobytes of PNG can inflate to gigabytes, and pixels that are missing would become black. */
function refuseOtherLength({ width, height, bits, isInterlaced }: Header, compressed: Buffer): void {
  const bytesOf = (columns: number, rows: number) =>
    columns > 0 && rows > 0 ? (Math.ceil((columns * bits) / 8) + 1) * rows : 0;
  const passes = adam7.map(([x, y, stepX, stepY]) =>
    bytesOf(Math.ceil((width - x) / stepX), Math.ceil((height - y) / stepY)),
  );
  const expected = isInterlaced ? passes.reduce((sum, bytes) => sum + bytes, 0) : bytesOf(width, height);
  let inflated: Buffer;
  try {
    inflated = inflateSync(compressed, { maxOutputLength: expected });
  } catch (cause) {
    throw new Error(`its pixels cannot be unpacked: ${(cause as Error).message}`, { cause });
  }
  if (inflated.byteLength !== expected) throw new Error('its pixels are cut off');
}

/** Grey samples of 1, 2 or 4 bits, each in a byte of its own; rows begin at a byte. */
function unpack(packed: Uint8Array, width: number, height: number, depth: number): Uint8Array {
  const samples = new Uint8Array(width * height);
  const stride = Math.ceil((width * depth) / 8);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      samples[y * width + x] = (packed[y * stride + (bit >> 3)]! >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
    }
  }
  return samples;
}

interface Samples {
  readonly width: number;
  readonly height: number;
  /** 1 and 2 are grey, 3 and 4 colour; 2 and 4 have an alpha channel. */
  readonly channels: number;
  readonly samples: ArrayLike<number>;
  /** The sample that is white, or opaque. */
  readonly most: number;
  /** The one grey or colour that is transparent, where there is no alpha channel. */
  readonly transparent?: ArrayLike<number>;
}

function onWhite({ width, height, channels, samples, most, transparent }: Samples): Image {
  const colours = channels < 3 ? 1 : 3;
  const hasAlpha = channels !== colours;
  const data = new Uint8Array(width * height * colours);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const from = pixel * channels;
    let alpha = most;
    if (hasAlpha) alpha = samples[from + colours]!;
    else if (transparent) {
      alpha = 0;
      for (let colour = 0; colour < colours; colour++) {
        if (samples[from + colour] !== transparent[colour]) alpha = most;
      }
    }
    for (let colour = 0; colour < colours; colour++) {
      // whole numbers below 2⁵³ until the division
      const seen = samples[from + colour]! * alpha + most * (most - alpha);
      data[pixel * colours + colour] = Math.round((seen * 255) / (most * most));
    }
  }
  return { width, height, channels: colours, data };
}
