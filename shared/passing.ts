// A map and a set for many short-lived entries, such as leases. A JavaScript Map makes a new table
// every few additions, and in V8 each old table refers to the next one. Once one table is in the
// old generation, it keeps all later tables and their entries alive, until the old generation is
// collected. With the shortest meta-steps, that cost coordinator and workers 2 % of their event
// loops' time. So this class replaces its Map now and then (ADR 17).

/** Fewest deletions between two replacements of the Map. */
const deletionsKept = 64;

const isWorn = (deletions: number, size: number): boolean => deletions >= deletionsKept && deletions >= size;

/**
 * Like a Map, with one exception: a loop that runs while entries are added or all are cleared may
 * continue over the earlier entries.
 */
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

/** Like a Set, with the same exception. */
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
