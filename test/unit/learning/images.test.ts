// Reading a black and white PNG and shrinking it: against Pillow's bytes, PNG's own filters undone, and every refusal.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { shrinkToInk } from '../../../learning/tasks/lanczos.ts';
import { decodeBitmapPng } from '../../../worker/learning/files/bitmap-png.ts';
import { pngOf } from './omniglot-fixture.ts';

const side = 105;
const stride = 14;

function bitmapWhere(isInk: (x: number, y: number) => boolean) {
  const rows = new Uint8Array(stride * side).fill(0xff);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) if (isInk(x, y)) rows[y * stride + (x >> 3)]! &= ~(0x80 >> (x & 7));
  }
  return { width: side, height: side, rows };
}

describe('shrinking a bitmap', () => {
  it("gives Pillow 13's bytes for the same image, convert('L').resize((28, 28), LANCZOS)", () => {
    const ink = shrinkToInk(
      bitmapWhere((x, y) => (x * x + 3 * x * y + 5 * y) % 7 < 2),
      28,
    );
    assert.deepEqual([...ink.subarray(0, 8)], [51, 79, 54, 81, 53, 81, 54, 78]);
    assert.equal(
      createHash('sha256').update(ink).digest('hex'),
      '577197528a257c05dff5f8786d3b287fd404374104eac815803ccbfbbccf578a',
    );
  });

  it("clips the filter's overshoot at a sharp edge, as Pillow does", () => {
    const ink = shrinkToInk(
      bitmapWhere((x, y) => x >= 50 && x < 56 && y >= 30 && y < 70),
      28,
    );
    assert.deepEqual([...ink.subarray(12 * 28 + 10, 12 * 28 + 18)], [0, 4, 0, 177, 244, 3, 0, 1]);
    assert.deepEqual(
      Array.from({ length: 14 }, (_, row) => ink[(row + 5) * 28 + 14]),
      [1, 0, 16, 228, 248, 243, 244, 244, 244, 244, 244, 240, 255, 163],
    );
  });

  it('makes paper 0 and ink 255', () => {
    assert.deepEqual(
      new Set(
        shrinkToInk(
          bitmapWhere(() => false),
          28,
        ),
      ),
      new Set([0]),
    );
    assert.deepEqual(
      new Set(
        shrinkToInk(
          bitmapWhere(() => true),
          28,
        ),
      ),
      new Set([255]),
    );
  });
});

describe('reading a black and white PNG', () => {
  const rows = bitmapWhere((x, y) => x === y).rows;

  it('returns the packed rows of an unfiltered image', () => {
    const bitmap = decodeBitmapPng(pngOf(side, side, rows));
    assert.deepEqual([bitmap.width, bitmap.height], [side, side]);
    assert.deepEqual(Buffer.from(bitmap.rows), Buffer.from(rows));
  });

  // One row of bytes under each filter of PNG's section 9, with what it must become; worked out by hand.
  const filtered = Uint8Array.of(1, 2, 3, 10, 20, 30);
  const undone: readonly (readonly [filter: number, name: string, bytes: readonly number[]])[] = [
    [0, 'none', [1, 2, 3, 10, 20, 30]],
    [1, 'sub', [1, 3, 6, 10, 30, 60]],
    [2, 'up', [1, 2, 3, 11, 22, 33]],
    [3, 'average', [1, 2, 4, 10, 26, 45]],
    [4, 'paeth', [1, 3, 6, 11, 31, 61]],
  ];
  for (const [filter, name, bytes] of undone) {
    it(`undoes the filter "${name}"`, () => {
      assert.deepEqual([...decodeBitmapPng(pngOf(24, 2, filtered, { filter })).rows], bytes);
    });
  }

  const whole = pngOf(side, side, rows);
  const flipped = Buffer.from(whole);
  flipped[flipped.indexOf('IDAT') + 40]! ^= 0xff;
  const refusals: readonly (readonly [what: string, bytes: Buffer, message: RegExp])[] = [
    ['something else', Buffer.from('GIF89a, and so on'), /not a PNG/],
    ['an image that is cut off', whole.subarray(0, 60), /cut off/],
    ['an image without its last chunk', whole.subarray(0, -12), /cut off/],
    ['pixels that were changed', flipped, /./],
    ['too few pixels', pngOf(side, side, rows.subarray(0, stride * 7 * 5)), /cut off/],
    ['grey levels', pngOf(side, side, rows, { depth: 8 }), /bit depth 8.*accepted: 1, 0 and 0/],
    ['a filter that PNG does not have', pngOf(24, 2, filtered, { filter: 9 }), /filter 9; accepted: 0 to 4/],
    ['an image of absurd size', pngOf(100_000, 2, filtered), /100000 × 2 pixels/],
  ];
  for (const [what, bytes, message] of refusals) {
    it(`refuses ${what}`, () => {
      assert.throws(() => decodeBitmapPng(bytes), message);
    });
  }
});
