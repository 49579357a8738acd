// Which entries of a log are kept, oldest first, bounded by their number and by their bytes: a few
// large entries must not fill a disk that a limit on their number was to protect. Knows no database: it
// says which entries go.

export interface KeptEntry {
  /** Ascending. */
  readonly sequence: number;
  readonly bytes: number;
}

export interface KeptLimits {
  readonly count: number;
  readonly bytes: number;
}

export class KeptEntries {
  readonly #limits: KeptLimits;
  readonly #entries: KeptEntry[] = [];
  #bytes = 0;

  constructor(limits: KeptLimits) {
    this.#limits = limits;
  }

  add(entry: KeptEntry): void {
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
  }

  /**
   * Takes out the oldest entries that exceed a limit, and returns them. The newest entry stays,
   * whatever its size.
   */
  takeExcess(): KeptEntry[] {
    let excess = 0;
    while (this.#entries.length - excess > 1) {
      if (this.#entries.length - excess <= this.#limits.count && this.#bytes <= this.#limits.bytes) break;
      this.#bytes -= this.#entries[excess]!.bytes;
      excess += 1;
    }
    return excess === 0 ? [] : this.#entries.splice(0, excess);
  }

  get oldest(): KeptEntry | undefined {
    return this.#entries[0];
  }

  /** The newest entries, at most `count`, in order. */
  newest(count: number): readonly KeptEntry[] {
    return this.#entries.slice(-count);
  }

  /** How many have a greater sequence. */
  countAfter(sequence: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#entries[middle]!.sequence <= sequence) low = middle + 1;
      else high = middle;
    }
    return this.#entries.length - low;
  }
}
