// Resizes images of bytes with a named filter, which is stretched to the scale where an image shrinks, so
// that it antialiases. Gives the bytes of Pillow's `resize` for modes L and RGB (libImaging/Resample.c: 8-bit
// fixed point, columns first, then rows). Pure; knows nothing of files.
import type { Image } from '../tasks.ts';

/** Fraction bits of a coefficient; 255 · 2²² times the filters' overshoot stays below 2³¹. */
export const precisionBits = 22;
/** One half in fixed point: what rounds a sum to the nearest level. */
export const half: number = 1 << (precisionBits - 1);

/** Coefficients for the pixels `first`, `first + 1`, …; fixed point. */
export interface Taps {
  readonly first: number;
  readonly coefficients: Int32Array;
}

interface Filter {
  /** The filter is 0 beyond it; in pixels of the larger image. */
  readonly support: number;
  weight(x: number): number;
}

export const filterNames = ['box', 'bilinear', 'hamming', 'bicubic', 'lanczos'] as const;
export type FilterName = (typeof filterNames)[number];

const filters: Readonly<Record<FilterName, Filter>> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    weight: (x) => (Math.abs(x) < 1 ? sinc(x) * (0.54 + 0.46 * Math.cos(Math.PI * x)) : 0),
  },
  bicubic: { support: 2, weight: cubic },
  lanczos: { support: 3, weight: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Keys' cubic with a = −1/2. */
function cubic(x: number): number {
  const distance = Math.abs(x);
  if (distance < 1) return (1.5 * distance - 2.5) * distance * distance + 1;
  return distance < 2 ? ((distance - 5) * distance + 8) * distance * -0.5 + 2 : 0;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** For each pixel of a line of `outputSize`: which pixels of a line of `inputSize` it is made of. */
export function tapsOf(filter: FilterName, inputSize: number, outputSize: number): readonly Taps[] {
  return Array.from({ length: outputSize }, (_, out) => tapsAt(filters[filter], out, inputSize, outputSize));
}

function tapsAt({ support, weight }: Filter, out: number, inputSize: number, outputSize: number): Taps {
  const scale = inputSize / outputSize;
  const stretch = Math.max(1, scale);
  const reach = support * stretch;
  const center = (out + 0.5) * scale;
  const first = Math.max(0, Math.trunc(center - reach + 0.5));
  const end = Math.min(inputSize, Math.trunc(center + reach + 0.5));
  const weights = Array.from({ length: end - first }, (_, tap) => weight((tap + first - center + 0.5) / stretch));
  const sum = weights.reduce((total, value) => total + value, 0);
  const coefficients = Int32Array.from(weights, (value) => roundAwayFromZero((value / sum) * 2 ** precisionBits));
  return { first, coefficients };
}

function roundAwayFromZero(value: number): number {
  return Math.trunc(value < 0 ? value - 0.5 : value + 0.5);
}

/** The image stretched to `height` × `width`; the image itself where it has that size. */
export function resize(image: Image, [height, width]: readonly [number, number], filter: FilterName): Image {
  const narrowed = image.width === width ? image : columnsTo(image, width, filter);
  return narrowed.height === height ? narrowed : rowsTo(narrowed, height, filter);
}

function columnsTo({ height, width: inputWidth, channels, data }: Image, width: number, filter: FilterName): Image {
  const taps = tapsOf(filter, inputWidth, width);
  const levels = new Uint8ClampedArray(height * width * channels);
  for (let y = 0; y < height; y++) {
    const line = y * inputWidth * channels;
    for (let x = 0; x < width; x++) {
      const { first, coefficients } = taps[x]!;
      const to = (y * width + x) * channels;
      for (let channel = 0; channel < channels; channel++) {
        let from = line + first * channels + channel;
        let level = half;
        for (let tap = 0; tap < coefficients.length; tap++) {
          level += data[from]! * coefficients[tap]!;
          from += channels;
        }
        levels[to + channel] = level >> precisionBits;
      }
    }
  }
  return { height, width, channels, data: levels };
}

function rowsTo({ height: inputHeight, width, channels, data }: Image, height: number, filter: FilterName): Image {
  const stride = width * channels;
  const levels = new Uint8ClampedArray(height * stride);
  const sums = new Int32Array(stride);
  for (const [y, { first, coefficients }] of tapsOf(filter, inputHeight, height).entries()) {
    sums.fill(half);
    for (let tap = 0; tap < coefficients.length; tap++) {
      const from = (first + tap) * stride;
      for (let at = 0; at < stride; at++) sums[at]! += data[from + at]! * coefficients[tap]!;
    }
    for (let at = 0; at < stride; at++) levels[y * stride + at] = sums[at]! >> precisionBits;
  }
  return { height, width, channels, data: levels };
}

/** Luma of ITU-R 601-2 in fixed point, Pillow's `convert('L')`; a grey image stays as it is. */
export function toGrey(image: Image): Image {
  if (image.channels === 1) return image;
  const { width, height, data } = image;
  const grey = new Uint8Array(width * height);
  for (let pixel = 0, at = 0; pixel < grey.length; pixel++, at += 3) {
    grey[pixel] = (data[at]! * 19_595 + data[at + 1]! * 38_470 + data[at + 2]! * 7_471 + 0x8000) >> 16;
  }
  return { width, height, channels: 1, data: grey };
}

/** Three equal channels of a grey image; a coloured image stays as it is. */
export function toColour(image: Image): Image {
  if (image.channels === 3) return image;
  const { width, height, data } = image;
  const colour = new Uint8Array(3 * data.length);
  for (const [pixel, level] of data.entries()) colour.fill(level, 3 * pixel, 3 * pixel + 3);
  return { width, height, channels: 3, data: colour };
}
