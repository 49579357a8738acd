// Decodes an image by its first bytes, whatever its name says.
import type { Image } from '../../../learning/tasks.ts';
import { decodeJpeg, jpegDecoderHash } from './jpeg.ts';
import { decodePng, pngSignature } from './png.ts';

/** What the pixels depend on besides the file. PNG has one decoding, and 1 is the number of how ours makes 8 opaque bits of it. */
export const imageDecoders = (): string => `png 1, jpeg ${jpegDecoderHash()}`;

/** @throws Error that says what is wrong with the image; the caller adds where it comes from. */
export async function decodeImage(file: Uint8Array, maxPixels: number): Promise<Image> {
  if (startsWith(file, pngSignature)) return decodePng(file, maxPixels);
  if (startsWith(file, [0xff, 0xd8, 0xff])) return decodeJpeg(file, maxPixels);
  throw new Error('it is neither a PNG nor a JPEG');
}

const startsWith = (file: Uint8Array, signature: ArrayLike<number>): boolean =>
  Array.from(signature).every((byte, index) => file[index] === byte);
