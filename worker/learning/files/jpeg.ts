// Decodes JPEGs, baseline and progressive, with MozJPEG compiled to WebAssembly (@jsquash/jpeg): the same bytes on every machine. The
// orientation that EXIF notes is applied. An image that the decoder finds fault with is refused with the decoder's words, as it would
// fill missing pixels with grey. The decoder is loaded at the first JPEG.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Image } from '../../../learning/tasks.ts';
import { refuseSize } from './image-size.ts';

/** The package's own types need a browser's. */
interface Codec {
  /** @returns four channels. */
  decode(
    jpeg: Uint8Array,
    isOriented: boolean,
  ): { readonly width: number; readonly height: number; readonly data: Uint8ClampedArray } | null;
}
type CodecFactory = (options: object) => Promise<Codec>;

interface Decoder {
  readonly codec: Codec;
  /** What it said since it was emptied. */
  readonly complaints: string[];
}

const wasmFile = (): Buffer =>
  readFileSync(createRequire(import.meta.url).resolve('@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm'));

let hash: string | undefined;

/** The decoder by its bytes. */
export function jpegDecoderHash(): string {
  hash ??= createHash('sha256').update(wasmFile()).digest('hex');
  return hash;
}

let decoder: Promise<Decoder> | undefined;

async function startDecoder(): Promise<Decoder> {
  const { default: factory } = await import('@jsquash/jpeg/codec/dec/mozjpeg_dec.js');
  const complaints: string[] = [];
  const codec = await (factory as unknown as CodecFactory)({
    wasmBinary: wasmFile(),
    printErr: (line: string) => complaints.push(line),
    // without it, exit() inside the codec sets this process's exit code
    quit: (_status: number, thrown: unknown) => {
      throw thrown;
    },
  });
  return { codec, complaints };
}

/** @throws Error that says what is wrong with the image; the caller adds where it comes from. */
export async function decodeJpeg(jpeg: Uint8Array, maxPixels: number): Promise<Image> {
  const { components } = headerOf(Buffer.from(jpeg.buffer, jpeg.byteOffset, jpeg.byteLength), maxPixels);
  if (components !== 1 && components !== 3) {
    throw new Error(`it has ${components} colour components, as in CMYK; accepted: 1 (grey) and 3 (colour)`);
  }
  decoder ??= startDecoder();
  const { codec, complaints } = await decoder;
  // no await from here on: what is said is about this image
  complaints.length = 0;
  let decoded: ReturnType<Codec['decode']>;
  try {
    decoded = codec.decode(jpeg, true);
  } catch (cause) {
    // its memory keeps what it had allocated
    decoder = undefined;
    throw new Error(complaints.join('; ') || String(cause), { cause });
  }
  const faults = complaints.filter((line) => !isHarmless(line));
  if (faults.length > 0 || !decoded) throw new Error(faults.join('; ') || 'it cannot be decoded');
  const { width, height, data } = decoded;
  const samples = new Uint8Array(width * height * components);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let sample = 0; sample < components; sample++) {
      samples[pixel * components + sample] = data[4 * pixel + sample]!;
    }
  }
  return { width, height, channels: components, data: samples };
}

/** Bytes between two segments cost no pixel; some cameras write them (libjpeg, JWRN_EXTRANEOUS_DATA). */
const isHarmless = (complaint: string): boolean => complaint.includes('extraneous bytes before marker');

/** Of the frame header, SOF (ITU-T T.81, B.2.2), before which there are segments of other kinds. */
function headerOf(bytes: Buffer, maxPixels: number): { readonly components: number } {
  for (let offset = 2; offset + 4 <= bytes.byteLength; ) {
    if (bytes[offset] !== 0xff) throw new Error('its header is broken');
    const marker = bytes[offset + 1]!;
    if (marker === 0xff) {
      offset++;
      continue;
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame && offset + 10 <= bytes.byteLength) {
      const size = { height: bytes.readUInt16BE(offset + 5), width: bytes.readUInt16BE(offset + 7) };
      refuseSize(size, maxPixels);
      return { components: bytes[offset + 9]! };
    }
    const isScan = marker === 0xda || marker === 0xd9;
    if (isScan) break;
    offset += 2 + bytes.readUInt16BE(offset + 2);
  }
  throw new Error('its header is missing');
}
