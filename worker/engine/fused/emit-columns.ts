// Writes the WebAssembly function that lays out what a convolution's window covers: some images
// [H, W, C] as rows [h·w, kh·kw·C], zeros where the window extends past the edge. Rows and columns
// of positions that miss the image in the same way share a loop, so the function needs no bounds
// checks.
import type { Operation, Shape } from '../graph/operation.ts';
import { FunctionBody } from './assembler.ts';

export type Columns = Extract<Operation, { kind: 'columns' }>;

/** Positions one after another, and which of the filter's rows (or columns) meet the image there. */
interface Span {
  readonly count: number;
  readonly from: number;
  readonly to: number;
}

/** Longer copies are loops. */
const unrolledVectors = 16;

/** The function (images, rows) for `images` of shape [·, H, W, C]. */
export function emitColumns(op: Columns, shape: Shape, images: number): FunctionBody {
  const [, height, width, channels] = shape as [number, number, number, number];
  const body = new FunctionBody(2);
  const [image, row, source, target] = [0, 1, 2, 3].map((i) => (i < 2 ? i : body.local('i32'))) as [number, number, number, number]; // biome-ignore format: one line
  const lineStart = body.local('i32');
  const advance = (local: number, floats: number) => {
    body.get(local);
    body.i32Const(4 * floats);
    body.op('i32.add');
    body.set(local);
  };
  const [kernelHeight, kernelWidth] = op.filterSize;
  const rowSpans = spansOf(op, 0, height);
  const columnSpans = spansOf(op, 1, width);
  const filterRow = kernelWidth * channels;
  const copier = new Copier(body, channels);
  const position = (rows: Span, columns: Span) => {
    for (let y = 0; y < kernelHeight; y++) {
      const place = y * filterRow;
      if (y < rows.from || y >= rows.to || columns.from >= columns.to) {
        copier.zeros(row, place, filterRow);
        continue;
      }
      copier.zeros(row, place, columns.from * channels);
      // side by side in the image as in the row, unless the filter is dilated
      const step = op.dilations[1] === 1 ? columns.to - columns.from : 1;
      for (let x = columns.from; x < columns.to; x += step) {
        const line = y * op.dilations[0] - op.pads[0];
        const column = x * op.dilations[1] - op.pads[1];
        body.get(source);
        body.i32Const(4 * (line * width + column) * channels);
        body.op('i32.add');
        body.set(target);
        copier.copy(target, row, place + x * channels, step * channels);
      }
      copier.zeros(row, place + columns.to * channels, (kernelWidth - columns.to) * channels);
    }
    advance(source, op.strides[1] * channels);
    advance(row, kernelHeight * filterRow);
  };
  body.loop(images, () => {
    body.get(image);
    body.set(lineStart);
    for (const rows of rowSpans) {
      body.loop(rows.count, () => {
        body.get(lineStart);
        body.set(source);
        for (const columns of columnSpans) body.loop(columns.count, () => position(rows, columns));
        advance(lineStart, op.strides[0] * width * channels);
      });
    }
    advance(image, height * width * channels);
  });
  return body;
}

function spansOf(op: Columns, axis: 0 | 1, length: number): Span[] {
  const spans: Span[] = [];
  for (let position = 0; position < op.outputSize[axis]; position++) {
    const meets = Array.from({ length: op.filterSize[axis] }, (_, k) => {
      const place = position * op.strides[axis] - op.pads[axis] + k * op.dilations[axis];
      return place >= 0 && place < length;
    });
    const from = meets.indexOf(true);
    const span = { count: 1, from: Math.max(from, 0), to: meets.lastIndexOf(true) + 1 };
    const last = spans.at(-1);
    if (last?.from === span.from && last.to === span.to) spans[spans.length - 1] = { ...span, count: last.count + 1 };
    else spans.push(span);
  }
  return spans;
}

/** Copies and zeros runs of floats, whole vectors where the number of channels allows it. */
class Copier {
  private readonly body: FunctionBody;
  private readonly isVector: boolean;
  private readonly from: number;
  private readonly to: number;

  constructor(body: FunctionBody, channels: number) {
    this.body = body;
    this.isVector = channels % 4 === 0;
    this.from = body.local('i32');
    this.to = body.local('i32');
  }

  zeros(target: number, offset: number, floats: number): void {
    const { body } = this;
    if (floats === 0) return;
    if (floats > 4 * unrolledVectors) {
      body.get(target);
      body.i32Const(4 * offset);
      body.op('i32.add');
      body.zero(4 * floats);
      return;
    }
    this.each(floats, (kind, place) => {
      body.get(target);
      if (kind === 'v128') body.f32x4Const(0);
      else body.f32Const(0);
      body.store(kind, 4 * (offset + place));
    });
  }

  copy(source: number, target: number, offset: number, floats: number): void {
    const { body } = this;
    const piece = 4 * unrolledVectors;
    const pieces = this.isVector ? Math.floor(floats / piece) : 0;
    const move = (from: number, to: number, start: number, count: number) =>
      this.each(count, (kind, place) => {
        body.get(to);
        body.get(from);
        body.load(kind, 4 * (start + place));
        body.store(kind, 4 * (offset + start + place));
      });
    if (pieces <= 1) {
      move(source, target, 0, floats);
      return;
    }
    for (const [local, pointer] of [
      [source, this.from],
      [target, this.to],
    ] as const) {
      body.get(local);
      body.set(pointer);
    }
    body.loop(pieces, () => {
      move(this.from, this.to, 0, piece);
      for (const pointer of [this.from, this.to]) {
        body.get(pointer);
        body.i32Const(4 * piece);
        body.op('i32.add');
        body.set(pointer);
      }
    });
    move(source, target, pieces * piece, floats - pieces * piece);
  }

  private each(floats: number, emit: (kind: 'v128' | 'f32', place: number) => void): void {
    const width = this.isVector ? 4 : 1;
    for (let place = 0; place < floats; place += width) emit(this.isVector ? 'v128' : 'f32', place);
  }
}

/**
 * The function (total, part): adds `floats` numbers to others, and whatever lies behind them up to
 * a whole vector.
 */
export function emitAddition(floats: number): FunctionBody {
  const body = new FunctionBody(2);
  body.loop(Math.ceil(floats / 4), () => {
    body.get(0);
    body.get(0);
    body.load('v128', 0);
    body.get(1);
    body.load('v128', 0);
    body.op('f32x4.add');
    body.store('v128', 0);
    for (const local of [0, 1]) {
      body.get(local);
      body.i32Const(16);
      body.op('i32.add');
      body.set(local);
    }
  });
  return body;
}
