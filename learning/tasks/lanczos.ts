// Shrinks a black and white bitmap to grey levels with the Lanczos filter (a = 3), stretched to the scale so that it antialiases. It gives the
// bytes that Pillow gives for the same image in mode L (Pillow, libImaging/Resample.c: 8-bit fixed point, columns first, then rows), which
// is what MAML's preparation of Omniglot asks for. Only ink costs time: a drawing has little of it.
import type { Bitmap } from '../tasks.ts';
import { half, precisionBits, type Taps, tapsOf } from './resample.ts';

/** @returns size × size bytes of ink, row-major: 0 = paper, 255 = ink (the inverse of the bitmap's levels). */
export function shrinkToInk(bitmap: Bitmap, size: number): Uint8ClampedArray {
  const { columns, rows } = planOf(bitmap, size);
  const narrowed = narrow(bitmap, size, columns);
  const ink = new Uint8ClampedArray(size * size);
  const levels = new Int32Array(size);
  for (let y = 0; y < size; y++) {
    const { first, coefficients } = rows[y]!;
    levels.fill(half);
    for (let tap = 0; tap < coefficients.length; tap++) {
      addRow(levels, narrowed, (first + tap) * size, coefficients[tap]!);
    }
    for (let x = 0; x < size; x++) ink[y * size + x] = 255 - (levels[x]! >> precisionBits);
  }
  return ink;
}

function addRow(levels: Int32Array, narrowed: Uint8ClampedArray, row: number, coefficient: number): void {
  for (let x = 0; x < levels.length; x++) levels[x] = (levels[x]! + Math.imul(narrowed[row + x]!, coefficient)) | 0;
}

/** Every row to `size` grey levels: a white row's levels less what each ink pixel takes away, in exact integers. */
function narrow({ width, height, rows }: Bitmap, size: number, { white, shadows }: Columns): Uint8ClampedArray {
  const stride = Math.ceil(width / 8);
  const levels = new Int32Array(size);
  const narrowed = new Uint8ClampedArray(height * size);
  for (let y = 0; y < height; y++) {
    levels.set(white);
    for (let x = 0; x < width; x++) {
      const eight = rows[y * stride + (x >> 3)]!;
      if (eight === 0xff) {
        x |= 7;
        continue;
      }
      if ((eight >> (7 - (x & 7))) & 1) continue;
      const { first, coefficients } = shadows[x]!;
      for (let tap = 0; tap < coefficients.length; tap++) levels[first + tap]! -= coefficients[tap]!;
    }
    for (let out = 0; out < size; out++) narrowed[y * size + out] = levels[out]! >> precisionBits;
  }
  return narrowed;
}

/** How a width shrinks, by columns of the input. */
interface Columns {
  /** Level of each output column when all of its inputs are white. */
  readonly white: Int32Array;
  /** What ink at each input column takes away, and from which output columns on. */
  readonly shadows: readonly Taps[];
}

interface Plan {
  readonly columns: Columns;
  readonly rows: readonly Taps[];
}

const plans = new Map<string, Plan>();

function planOf({ width, height }: Bitmap, size: number): Plan {
  const key = `${width} × ${height} to ${size}`;
  let plan = plans.get(key);
  if (plan === undefined) {
    plan = { columns: columnsOf(tapsOf('lanczos', width, size), width), rows: tapsOf('lanczos', height, size) };
    // the data sets have one size of image; the bound is for whatever may come
    if (plans.size >= 16) plans.clear();
    plans.set(key, plan);
  }
  return plan;
}

function columnsOf(taps: readonly Taps[], width: number): Columns {
  const white = taps.map(({ coefficients }) => half + 255 * coefficients.reduce((sum, value) => sum + value, 0));
  const shadows = Array.from({ length: width }, (_, x) => {
    // taps move on with the output, so those that reach x are a run
    const first = taps.findIndex((tap) => x < tap.first + tap.coefficients.length);
    const end = taps.findLastIndex((tap) => x >= tap.first) + 1;
    const coefficients = Int32Array.from(taps.slice(first, end), (tap) => 255 * tap.coefficients[x - tap.first]!);
    return { first, coefficients };
  });
  return { white: Int32Array.from(white), shadows };
}
