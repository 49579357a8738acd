// Means over few independent runs, such as seeds: Student's t gives their 95 % interval.
import type { Estimate } from './measures.ts';

/** The 0.975 quantile of Student's t for 1 to 30 degrees of freedom. */
const quantiles = [
  12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.306, 2.2622, 2.2281, 2.201, 2.1788, 2.1604, 2.1448, 2.1314,
  2.1199, 2.1098, 2.1009, 2.093, 2.086, 2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
];

/** That of the normal distribution. */
const z = 1.959964;

/** With more than 30 degrees of freedom: the expansion of Cornish and Fisher, exact to 0.0001 there. */
export const studentQuantile = (degrees: number): number =>
  quantiles[degrees - 1] ?? z + (z ** 3 + z) / (4 * degrees) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2);

/**
 * Mean and 95 % interval over at least one value. One value alone has no interval: its half-width is NaN.
 */
export function meanOverRuns(values: readonly number[]): Estimate {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  if (count < 2) return { mean, halfWidth95: Number.NaN };
  return { mean, halfWidth95: studentQuantile(count - 1) * Math.sqrt(squares / (count - 1) / count) };
}
