// Taking so many items of a sequence that has no end, such as the states of an adaptation.

/** The first `count` items, and no more are asked for. */
export function* first<T>(count: number, items: Iterable<T>): Iterable<T> {
  if (count === 0) return;
  let taken = 0;
  for (const item of items) {
    yield item;
    if (++taken === count) return;
  }
}

/** The last of the first `count` items; `start` when count is 0. */
export function after<T>(count: number, items: Iterable<T>, start: T): T {
  let last = start;
  for (const item of first(count, items)) last = item;
  return last;
}
