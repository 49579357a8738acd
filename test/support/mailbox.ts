// Items in order of arrival for a test to wait for. Does not sleep; a wait that times out names the
// missing item.

const patienceMs = 30_000;

export class Mailbox<Item> {
  readonly #items: Item[] = [];
  readonly #takers: ((item: Item) => void)[] = [];

  put(item: Item): void {
    const taker = this.#takers.shift();
    if (taker) taker(item);
    else this.#items.push(item);
  }

  /**
   * The next item, at once or when it arrives.
   *
   * @throws after 30 s, naming `what`.
   */
  take(what: string): Promise<Item> {
    const [item] = this.#items.splice(0, 1);
    if (item !== undefined) return Promise.resolve(item);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#takers.splice(this.#takers.indexOf(taker), 1);
        reject(new Error(`waited ${patienceMs} ms for ${what}`));
      }, patienceMs);
      const taker = (taken: Item) => {
        clearTimeout(timer);
        resolve(taken);
      };
      this.#takers.push(taker);
    });
  }

  /** Number of items that were not taken yet. */
  get size(): number {
    return this.#items.length;
  }
}
