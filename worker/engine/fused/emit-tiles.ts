// Writes the WebAssembly functions that carry patches of images into Winograd's domain and out of
// it (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, section 4.1): a
// patch of e × e pixels of images [N, H, W, C], one every so many pixels, is sixteen numbers a
// channel, which lie in sixteen planes [N · patches, C]. Filters are images too: of 3 × 3 pixels,
// with a patch each.
import { FunctionBody } from './assembler.ts';

/** By rows; a patch is multiplied with it from the left, and with its transpose from the right. */
export type Transform = readonly (readonly number[])[];

/** Planes' places along an axis: 0, 1, −1 and infinity. */
const places = 4;
export const planeCount = places ** 2;

const transposed = (matrix: Transform): Transform => matrix[0]!.map((_, column) => matrix.map((row) => row[column]!));

// With w = `ofWindow` · d, f = `ofFilter` · g and p = `ofPair` · z, the sum of z[k] g[r] d[k + r]
// over k < 2 and r < 3 is that of p f w: four products for six. The last row of two has the other
// sign than in the paper.
export const ofWindow: Transform = [
  [1, 0, -1, 0],
  [0, 1, 1, 0],
  [0, -1, 1, 0],
  [0, -1, 0, 1],
];
export const ofFilter: Transform = [
  [1, 0, 0],
  [1 / 2, 1 / 2, 1 / 2],
  [1 / 2, -1 / 2, 1 / 2],
  [0, 0, 1],
];
/** For two neighbouring pixels that a filter's gradient is summed over. */
export const ofPair: Transform = [
  [1, 0],
  [1, 1],
  [1, -1],
  [0, 1],
];
export const toPair = transposed(ofPair);
export const toFilter = transposed(ofFilter);

/** Where patches lie in images. */
export interface Patches {
  readonly images: number;
  /** Height, width and channels, a multiple of four. */
  readonly image: readonly [number, number, number];
  /** Pixels along each side. What lies outside the image is zero, and is not written. */
  readonly extent: number;
  /** Patches down and across, `step` pixels apart; the first begins `pads` pixels before the image. */
  readonly grid: readonly [number, number];
  readonly step: number;
  readonly pads: readonly [number, number];
}

export function planeFloats({ images, grid, image }: Patches): number {
  return images * grid[0] * grid[1] * image[2];
}

/** The function (images, planes). @param transform [4, extent] */
export function emitToPlanes(patches: Patches, transform: Transform): FunctionBody {
  return emitPatches(patches, (arithmetic, pixel, plane) => {
    carry(arithmetic, { from: pixel, to: plane, transform });
  });
}

/** The function (images, planes), which writes the images. @param transform [extent, 4] */
export function emitFromPlanes(patches: Patches, transform: Transform): FunctionBody {
  return emitPatches(patches, (arithmetic, pixel, plane) => {
    carry(arithmetic, { from: plane, to: pixel, transform });
  });
}

/**
 * Transforms several vectors at a time and writes each row of the result for all of them, so that
 * the stores fill the lines of the cache one after another.
 */
function carry(
  arithmetic: Arithmetic,
  { from, to, transform }: { readonly from: Square; readonly to: Square; readonly transform: Transform },
): void {
  const extent = range(transform[0]!.length);
  const columns = range(from.vectors).map((vector) =>
    extent.map((x) => {
      const column = extent.map((y) => from.load(y, x, vector));
      return arithmetic.apply(transform, column);
    }),
  );
  for (const [row] of transform.entries()) {
    const values = columns.map((ofVector) => {
      const line = ofVector.map((column) => column[row]);
      return arithmetic.apply(transform, line);
    });
    for (const [column] of transform.entries()) {
      for (const [vector, ofVector] of values.entries()) to.store(row, column, vector, ofVector[column]);
    }
  }
}

/** A local that holds four channels; undefined is zero. */
type Value = number | undefined;

/** Where a patch's pixels lie, or its numbers in the planes. */
interface Square {
  /** Of four channels each, one after another. */
  readonly vectors: number;
  load(row: number, column: number, vector: number): Value;
  store(row: number, column: number, vector: number, value: Value): void;
}

/** Patches one after another, and which of their pixels (or rows) lie in the image. */
interface Span {
  readonly count: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Whole lines of the cache at once, where planes lie a multiple of so many bytes apart: sixteen
 * lines then meet in one place of the first level, and those filled a vector at a time are fetched
 * four times. Elsewhere one vector at a time is faster, whose numbers all fit into registers.
 */
const vectorsPerLine = 4;
const meetingBytes = 2048;

function vectorsAtOnce(patches: Patches): number {
  const doMeet = (4 * planeFloats(patches)) % meetingBytes === 0;
  return doMeet && patches.image[2] % (4 * vectorsPerLine) === 0 ? vectorsPerLine : 1;
}

function emitPatches(
  patches: Patches,
  emit: (arithmetic: Arithmetic, pixel: Square, plane: Square) => void,
): FunctionBody {
  const { images, image, step, pads } = patches;
  const [height, width, channels] = image;
  const vectors = vectorsAtOnce(patches);
  const body = new FunctionBody(2);
  const [imageStart, plane] = [0, 1];
  const [line, pixel] = [body.local('i32'), body.local('i32')];
  const arithmetic = new Arithmetic(body);
  const advance = (local: number, floats: number, from = local) => {
    body.get(from);
    body.i32Const(4 * floats);
    body.op('i32.add');
    body.set(local);
  };
  const pixels = (rows: Span, columns: Span): Square => {
    const isInside = (y: number, x: number) => rows.from <= y && y < rows.to && columns.from <= x && x < columns.to;
    const floats = (y: number, x: number, vector: number) => (y * width + x) * channels + 4 * vector;
    return {
      vectors,
      load: (y, x, vector) => (isInside(y, x) ? arithmetic.load(pixel, floats(y, x, vector)) : undefined),
      store: (y, x, vector, value) => {
        if (isInside(y, x)) arithmetic.store(pixel, floats(y, x, vector), value);
      },
    };
  };
  const planeAt = (y: number, x: number, vector: number) => (places * y + x) * planeFloats(patches) + 4 * vector;
  const planes: Square = {
    vectors,
    load: (y, x, vector) => arithmetic.load(plane, planeAt(y, x, vector)),
    store: (y, x, vector, value) => arithmetic.store(plane, planeAt(y, x, vector), value),
  };
  // A pointer to a patch that begins before its tensor is not followed there; other tensors lie
  // before it, so that it is an address all the same.
  body.loop(images, () => {
    advance(line, -(pads[0] * width + pads[1]) * channels, imageStart);
    for (const rows of spansOf(patches, 0)) {
      body.loop(rows.count, () => {
        advance(pixel, 0, line);
        for (const columns of spansOf(patches, 1)) {
          body.loop(columns.count, () => {
            body.loop(channels / (4 * vectors), () => {
              emit(arithmetic, pixels(rows, columns), planes);
              advance(pixel, 4 * vectors);
              advance(plane, 4 * vectors);
            });
            advance(pixel, (step - 1) * channels);
          });
        }
        advance(line, step * width * channels);
      });
    }
    advance(imageStart, height * width * channels);
  });
  return body;
}

function spansOf({ image, extent, grid, step, pads }: Patches, axis: 0 | 1): Span[] {
  const spans: Span[] = [];
  for (let patch = 0; patch < grid[axis]; patch++) {
    const start = patch * step - pads[axis];
    const [from, to] = [Math.max(0, -start), Math.min(extent, image[axis] - start)];
    const last = spans.at(-1);
    if (last?.from === from && last.to === to) spans[spans.length - 1] = { ...last, count: last.count + 1 };
    else spans.push({ count: 1, from, to });
  }
  return spans;
}

const range = (length: number): number[] => Array.from({ length }, (_, i) => i);

class Arithmetic {
  private readonly body: FunctionBody;

  constructor(body: FunctionBody) {
    this.body = body;
  }

  load(pointer: number, floats: number): Value {
    this.body.get(pointer);
    this.body.load('v128', 4 * floats);
    return this.kept();
  }

  store(pointer: number, floats: number, value: Value): void {
    this.body.get(pointer);
    if (value === undefined) this.body.f32x4Const(0);
    else this.body.get(value);
    this.body.store('v128', 4 * floats);
  }

  /** The transform's rows, of wholes and halves, times the values. */
  apply(transform: Transform, values: readonly Value[]): Value[] {
    return transform.map((row) => {
      const halves = this.sum(row.map((factor) => (Number.isInteger(factor) ? 0 : factor)), values); // biome-ignore format: one line
      const half = halves === undefined ? undefined : this.times(halves, 1 / 2);
      const whole = this.sum(row.map((factor) => (Number.isInteger(factor) ? factor : 0)), values); // biome-ignore format: one line
      return half === undefined ? whole : this.sum([1, 1], [whole, half]);
    });
  }

  /** @param signs by which the values are added, subtracted, or not at all */
  private sum(signs: readonly number[], values: readonly Value[]): Value {
    const terms = signs.flatMap((sign, i) => {
      const value = values[i];
      return sign === 0 || value === undefined ? [] : [{ isAdded: sign > 0, value }];
    });
    const first = terms.find(({ isAdded }) => isAdded) ?? terms[0];
    if (first === undefined) return undefined;
    if (terms.length === 1 && first.isAdded) return first.value;
    this.body.get(first.value);
    if (!first.isAdded) this.body.op('f32x4.neg');
    for (const term of terms) {
      if (term === first) continue;
      this.body.get(term.value);
      this.body.op(term.isAdded ? 'f32x4.add' : 'f32x4.sub');
    }
    return this.kept();
  }

  private times(value: number, factor: number): number {
    this.body.get(value);
    this.body.f32x4Const(factor);
    this.body.op('f32x4.mul');
    return this.kept();
  }

  private kept(): number {
    const local = this.body.local('v128');
    this.body.set(local);
    return local;
  }
}
