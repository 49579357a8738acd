// A PNG or JPEG file as one input of a distribution of images: in its size, its colours and its range.
import type { InputEncoder, TaskIo } from '../tasks.ts';
import { formatted, type ImageFormat, levels, limits } from './image-classes.ts';

/** Dark ink on light paper: ink is 1. */
const inkLevels = levels.toReversed();

/** @param isInk the distribution's images are of ink, which is 1, on paper, which is 0. Default: no. */
export const imageEncoder = (
  format: ImageFormat,
  { decodeImage }: Pick<TaskIo, 'decodeImage'>,
  { isInk = false }: { readonly isInk?: boolean } = {},
): InputEncoder => ({
  form: 'image',
  async encode(file) {
    if (file.byteLength > limits.fileBytes) {
      throw new Error(`it has ${file.byteLength} bytes; accepted: at most ${limits.fileBytes}`);
    }
    const { data } = formatted(await decodeImage(file, limits.pixels), format);
    const numbers = isInk ? inkLevels : levels;
    return Float32Array.from(data, (level) => numbers[level]!);
  },
});
