// Arrays as NumPy writes them, and a small EMNIST in them.
import { taskRng } from '../../../shared/rng.ts';

export interface NpyOptions {
  /** Default: bytes. */
  readonly type?: string;
  /** Default: C's order. */
  readonly isFortran?: boolean;
  /** Of the format. Default: 1. */
  readonly version?: 1 | 2;
}

/** An array of NumPy's format (NEP 1). */
export function npyOf(
  shape: readonly number[],
  data: Uint8Array,
  { type = '|u1', isFortran = false, version = 1 }: NpyOptions = {},
): Buffer {
  const axes = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const words = `{'descr': '${type}', 'fortran_order': ${isFortran ? 'True' : 'False'}, 'shape': (${axes}), }`;
  const lengthBytes = version === 1 ? 2 : 4;
  const before = 8 + lengthBytes;
  const header = `${words.padEnd(Math.ceil((before + words.length + 1) / 64) * 64 - before - 1)}\n`;
  const length = Buffer.alloc(lengthBytes);
  length.writeUIntLE(header.length, 0, lengthBytes);
  return Buffer.concat([
    Buffer.from(`\x93NUMPY${String.fromCharCode(version)}\0`, 'latin1'),
    length,
    Buffer.from(header),
    data,
  ]);
}

/**
 * Of each of the digits 0 to 4 so many images, each a few grey strokes that nothing tells apart by class.
 */
export function digitArrays(imagesAClass = 3): { readonly name: string; readonly data: Buffer }[] {
  const count = 5 * imagesAClass;
  const images = new Uint8Array(count * 784);
  for (let image = 0; image < count; image++) {
    const rng = taskRng(image, 'test digit', 0);
    for (let stroke = 0; stroke < 3; stroke++) {
      const [row, column, level] = [3 + rng.below(22), 3 + rng.below(12), 100 + rng.below(156)];
      images.fill(level, image * 784 + row * 28 + column, image * 784 + row * 28 + column + 10);
    }
  }
  const labels = Uint8Array.from({ length: count }, (_, image) => image % 5);
  return [
    { name: 'images.npy', data: npyOf([count, 28, 28], images) },
    { name: 'labels.npy', data: npyOf([count], labels) },
  ];
}
