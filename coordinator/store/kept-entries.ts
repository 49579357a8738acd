// Decides which entries of a log are kept, oldest first out, bounded by number and by bytes: a
// limit on the number alone would let a few large entries fill the disk. Knows no database: it only
// names the entries to remove.

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
   * Removes the oldest entries beyond a limit, and returns them. The newest entry stays, whatever
   * its size.
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

  /** Number of entries with a greater sequence. */
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
