// Reads one kind of PNG, the one that Omniglot is made of: greyscale, one bit a pixel, not interlaced (PNG 3rd edition, W3C 2025). Everything
// else is refused by name. Node's own zlib does the work and its Adler-32 check guards the pixels. A general decoder (fast-png) took
// ten times as long, and every compute thread decodes the set anew.
import { inflateSync } from 'node:zlib';
import type { Bitmap } from '../../../learning/tasks.ts';

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const maxSide = 4096;

/** @throws Error that says what is wrong with the image; the caller adds where it comes from. */
export function decodeBitmapPng(png: Uint8Array): Bitmap {
  const bytes = Buffer.from(png.buffer, png.byteOffset, png.byteLength);
  if (!bytes.subarray(0, 8).equals(signature)) throw new Error('not a PNG image');
  const header = chunkAt(bytes, 8);
  if (header.type !== 'IHDR' || header.data.byteLength !== 13) throw new Error('its header chunk is missing');
  const width = header.data.readUInt32BE(0);
  const height = header.data.readUInt32BE(4);
  const [depth, colour, , , interlace] = header.data.subarray(8);
  if (width < 1 || width > maxSide || height < 1 || height > maxSide) {
    throw new Error(`it measures ${width} × ${height} pixels; accepted: sides of 1 to ${maxSide}`);
  }
  if (depth !== 1 || colour !== 0 || interlace !== 0) {
    throw new Error(
      `bit depth ${depth}, colour type ${colour}, interlace ${interlace}; accepted: 1, 0 and 0 (a black and white image)`,
    );
  }
  const parts: Buffer[] = [];
  for (let chunk = header; chunk.type !== 'IEND'; ) {
    chunk = chunkAt(bytes, chunk.end);
    if (chunk.type === 'IDAT') parts.push(chunk.data);
  }
  const stride = Math.ceil(width / 8);
  const filtered = inflateSync(Buffer.concat(parts), { maxOutputLength: (stride + 1) * height });
  if (filtered.byteLength !== (stride + 1) * height) throw new Error('its pixels are cut off');
  return { width, height, rows: unfilter(filtered, stride, height) };
}

function chunkAt(bytes: Buffer, offset: number) {
  if (offset + 12 > bytes.byteLength) throw new Error('it is cut off');
  const length = bytes.readUInt32BE(offset);
  const start = offset + 8;
  const end = start + length + 4;
  if (end > bytes.byteLength) throw new Error('it is cut off');
  return { type: bytes.toString('latin1', offset + 4, start), data: bytes.subarray(start, start + length), end };
}

/** Undoes the filters of PNG's section 9; with one bit a pixel the "pixel to the left" is the byte to the left. */
function unfilter(filtered: Buffer, stride: number, height: number): Uint8Array {
  const rows = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = filtered[y * (stride + 1)]!;
    const source = y * (stride + 1) + 1;
    const target = y * stride;
    for (let x = 0; x < stride; x++) {
      const left = x > 0 ? rows[target + x - 1]! : 0;
      const up = y > 0 ? rows[target + x - stride]! : 0;
      const corner = x > 0 && y > 0 ? rows[target + x - stride - 1]! : 0;
      rows[target + x] = filtered[source + x]! + predict(filter, left, up, corner);
    }
  }
  return rows;
}

function predict(filter: number, left: number, up: number, corner: number): number {
  switch (filter) {
    case 0:
      return 0;
    case 1:
      return left;
    case 2:
      return up;
    case 3:
      return (left + up) >> 1;
    case 4: {
      const estimate = left + up - corner;
      const [toLeft, toUp, toCorner] = [left, up, corner].map((value) => Math.abs(estimate - value)) as [
        number,
        number,
        number,
      ];
      if (toLeft <= toUp && toLeft <= toCorner) return left;
      return toUp <= toCorner ? up : corner;
    }
    default:
      throw new Error(`filter ${filter}; accepted: 0 to 4`);
  }
}
