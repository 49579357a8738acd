// A map and a set for entries that come and go by the thousand, such as leases. A Map of JavaScript's own makes itself a new table every few
// additions, and in V8 each table it leaves refers to the next one. Once one of them is old, all that follow are found from it, with what they
// held: everything that passes through is then copied by every collection of the young generation, dead as it is, until the old
// generation is collected, which makes the next table old. With the shortest meta-steps that cost coordinator and workers 2 % of their
// event loops' time. So the Map itself is left now and then.

/** Deletions between two Maps, at least. */
const deletionsKept = 64;

const isWorn = (deletions: number, size: number): boolean => deletions >= deletionsKept && deletions >= size;

/** As a Map, but that who is going through it when entries are added or all are cleared may go on through those that were there. */
export class PassingMap<Key, Value> implements Iterable<[Key, Value]> {
  #map = new Map<Key, Value>();
  #deletions = 0;

  get size(): number {
    return this.#map.size;
  }

  has(key: Key): boolean {
    return this.#map.has(key);
  }

  get(key: Key): Value | undefined {
    return this.#map.get(key);
  }

  set(key: Key, value: Value): void {
    if (isWorn(this.#deletions, this.#map.size)) {
      this.#map = new Map(this.#map);
      this.#deletions = 0;
    }
    this.#map.set(key, value);
  }

  delete(key: Key): boolean {
    this.#deletions += 1;
    return this.#map.delete(key);
  }

  clear(): void {
    this.#map = new Map();
    this.#deletions = 0;
  }

  keys(): MapIterator<Key> {
    return this.#map.keys();
  }

  values(): MapIterator<Value> {
    return this.#map.values();
  }

  [Symbol.iterator](): MapIterator<[Key, Value]> {
    return this.#map[Symbol.iterator]();
  }
}

/** As a Set, with the same exception. */
export class PassingSet<Value> implements Iterable<Value> {
  readonly #map = new PassingMap<Value, true>();

  get size(): number {
    return this.#map.size;
  }

  has(value: Value): boolean {
    return this.#map.has(value);
  }

  add(value: Value): void {
    this.#map.set(value, true);
  }

  delete(value: Value): boolean {
    return this.#map.delete(value);
  }

  clear(): void {
    this.#map.clear();
  }

  [Symbol.iterator](): MapIterator<Value> {
    return this.#map.keys();
  }
}
