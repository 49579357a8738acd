// Axes of curves: chooses a linear or logarithmic scale and the ticks, for terminal and page. Pure.
import { formatCount } from './numbers.ts';

export type Scale = 'linear' | 'log';

export interface Tick {
  readonly value: number;
  readonly label: string;
}

/** Above this ratio of largest to smallest value, a linear axis would hide the small values. */
const logFromRatio = 5;

/** `log` where every value is positive and the largest is several times the smallest. */
export function scaleFor(values: readonly number[]): Scale {
  let low = Number.POSITIVE_INFINITY;
  let high = 0;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low > 0 && high / low >= logFromRatio ? 'log' : 'linear';
}

/**
 * Round values from `low` to `high`, ascending.
 *
 * @param count how many are wanted: one more at most, and where the range allows at least two.
 * @param wholeOnly no fractions, for what is counted.
 */
export function ticksFor(low: number, high: number, scale: Scale, count: number, wholeOnly = false): Tick[] {
  const ticks = scale === 'log' ? logTicks(low, high, count) : [];
  return ticks.length >= 2 ? ticks : linearTicks(low, high, count, wholeOnly);
}

/** The finest of the steps 1, 2, 5, 10, 20 … (and 0.5, 0.2 …) that gives no more ticks than that. */
function linearTicks(low: number, high: number, count: number, wholeOnly: boolean): Tick[] {
  if (!(high > low)) return [{ value: low, label: tickLabel(low, 0) }];
  let power = Math.floor(Math.log10((high - low) / (count + 2)));
  if (wholeOnly) power = Math.max(power, 0);
  for (; ; power += 1) {
    for (const factor of [1, 2, 5]) {
      // From text, so that 0.3 is not 0.30000000000000004.
      const step = Number(`${factor}e${power}`);
      const [first, last] = [Math.ceil(low / step - 1e-9), Math.floor(high / step + 1e-9)];
      if (last - first > count) continue;
      return Array.from({ length: last - first + 1 }, (_, i) => {
        const value = Number(((first + i) * step).toPrecision(12));
        return { value, label: tickLabel(value, Math.max(0, -power)) };
      });
    }
  }
}

/** 1, 2 and 5 of every decade where there is room, else the decades, else every second one, and so on. */
function logTicks(low: number, high: number, count: number): Tick[] {
  const first = Math.floor(Math.log10(low));
  const last = Math.ceil(Math.log10(high));
  const within = (factors: readonly number[], stride: number): Tick[] => {
    const ticks: Tick[] = [];
    for (let power = Math.ceil(first / stride) * stride; power <= last; power += stride) {
      for (const factor of factors) {
        const value = Number(`${factor}e${power}`);
        if (value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9)) {
          ticks.push({ value, label: tickLabel(value, Math.max(0, -power)) });
        }
      }
    }
    return ticks;
  };
  for (const factors of [[1, 2, 5], [1, 3], [1]]) {
    const ticks = within(factors, 1);
    if (ticks.length <= count + 1) return ticks;
  }
  return within([1], Math.ceil((last - first) / Math.max(count, 1)));
}

function tickLabel(value: number, decimals: number): string {
  const size = Math.abs(value);
  if (size >= 1e7 || (size > 0 && size < 1e-4)) return value.toExponential().replace('e+', 'e');
  return decimals === 0 ? formatCount(value + 0) : value.toFixed(decimals);
}
