// Virtual time: runs callbacks in the order of their times, and callbacks of equal times in the
// order of their requests. A binary heap; nothing waits.

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class VirtualTime {
  now = 1_000;
  readonly #heap: Entry[] = [];
  #order = 0;

  after(delayMs: number, run: () => void): void {
    this.#order += 1;
    const heap = this.#heap;
    const entry: Entry = { at: this.now + Math.max(0, delayMs), order: this.#order, run };
    let child = heap.length;
    heap.push(entry);
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!isBefore(entry, heap[parent]!)) break;
      heap[child] = heap[parent]!;
      child = parent;
    }
    heap[child] = entry;
  }

  /** Runs the next callback. False if there is none. */
  advance(): boolean {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (!first || !last) return false;
    if (heap.length > 0) sink(heap, last);
    this.now = first.at;
    first.run();
    return true;
  }
}

const isBefore = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

function sink(heap: Entry[], entry: Entry): void {
  let parent = 0;
  for (;;) {
    let child = 2 * parent + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
    if (!isBefore(heap[child]!, entry)) break;
    heap[parent] = heap[child]!;
    parent = child;
  }
  heap[parent] = entry;
}
