// The bound on an image's size, for every decoder: known from the header, before pixels are allocated.
import { formatCount } from '../../../shared/numbers.ts';

/** @throws Error that says what is wrong. */
export function refuseSize({ width, height }: { width: number; height: number }, maxPixels: number): void {
  if (width >= 1 && height >= 1 && width * height <= maxPixels) return;
  throw new Error(`it measures ${width} × ${height} pixels; accepted: 1 to ${formatCount(maxPixels)} pixels`);
}
