// A table of the database in which every value carries a SHA-256 over itself, its key and the
// table's name. A value that the disk has changed, or that lies under another key, is an error that
// names it and is never returned. Values are anything `node:v8` can serialize.
import { createHash } from 'node:crypto';
import { deserialize, serialize } from 'node:v8';
import type { Database, Key, RangeOptions, RootDatabase } from 'lmdb';
import { MetatrainError } from '../../shared/errors.ts';

const digestBytes = 32;

/** Most corrupt values that are reported one by one: more would fill the log. */
const maxReported = 1_000;

export type SealedEntry<Value, TableKey> =
  | { readonly key: TableKey; readonly isGood: true; readonly value: Value }
  | { readonly key: TableKey; readonly isGood: false; readonly error: MetatrainError };

export class SealedTable<Value, TableKey extends Key> {
  readonly #name: string;
  readonly #table: Database<Buffer, TableKey>;
  readonly #onCorrupt: (error: MetatrainError) => void;
  readonly #reported = new Set<string>();

  /**
   * @param onCorrupt called once for every corrupt value that `find` or a reader of many values
   *   skips.
   */
  constructor(root: RootDatabase, name: string, onCorrupt: (error: MetatrainError) => void) {
    this.#name = name;
    this.#table = root.openDB<Buffer, TableKey>({ name, encoding: 'binary' });
    this.#onCorrupt = onCorrupt;
  }

  /** @throws MetatrainError `DATA_CORRUPT` */
  get(key: TableKey): Value | undefined {
    const sealed = this.#table.get(key);
    return sealed === undefined ? undefined : this.#open(key, sealed);
  }

  /** As `get`, but undefined if the value is corrupt, which is reported. */
  find(key: TableKey): Value | undefined {
    try {
      return this.get(key);
    } catch (thrown) {
      this.#report(key, thrown);
      return undefined;
    }
  }

  put(key: TableKey, value: Value): Promise<boolean> {
    const body = serialize(value);
    return this.#table.put(key, Buffer.concat([this.#digest(key, body), body]));
  }

  remove(key: TableKey): Promise<boolean> {
    return this.#table.remove(key);
  }

  keys(range: RangeOptions = {}): Iterable<TableKey> {
    return this.#table.getKeys(range);
  }

  /**
   * Number of values, according to the database. If it is greater than the number found, the tree
   * is damaged.
   */
  get count(): number {
    return Number((this.#table.getStats() as { entryCount?: number }).entryCount ?? 0);
  }

  /**
   * Every value in the order of the keys, or the reason why it cannot be read, which is also
   * reported.
   */
  *checked(range: RangeOptions = {}): Iterable<SealedEntry<Value, TableKey>> {
    for (const { key, value: sealed } of this.#table.getRange(range)) {
      let entry: SealedEntry<Value, TableKey>;
      try {
        entry = { key, isGood: true, value: this.#open(key, sealed) };
      } catch (thrown) {
        entry = { key, isGood: false, error: this.#report(key, thrown) };
      }
      yield entry;
    }
  }

  /** At most `limit` values, without those that cannot be read. */
  readable({ limit = Number.POSITIVE_INFINITY, ...range }: RangeOptions = {}): { key: TableKey; value: Value }[] {
    const found: { key: TableKey; value: Value }[] = [];
    for (const entry of this.checked(range)) {
      if (entry.isGood) found.push(entry);
      if (found.length >= limit) break;
    }
    return found;
  }

  #open(key: TableKey, sealed: Buffer): Value {
    const body = sealed.subarray(digestBytes);
    if (!this.#digest(key, body).equals(sealed.subarray(0, digestBytes))) throw this.#corrupt(key);
    try {
      return deserialize(body) as Value;
    } catch (cause) {
      throw this.#corrupt(key, cause);
    }
  }

  #digest(key: TableKey, body: Buffer): Buffer {
    return createHash('sha256')
      .update(`${this.#name}\n${JSON.stringify(key)}\n`)
      .update(body)
      .digest();
  }

  #corrupt(key: TableKey, cause?: unknown): MetatrainError {
    const message = `${this.#nameOf(key)} in the job database does not match its digest: the disk has changed it, or another version of MetaTrain wrote it`;
    return new MetatrainError('DATA_CORRUPT', message, { details: { table: this.#name, key }, cause });
  }

  #nameOf(key: TableKey): string {
    return `${this.#name} ${JSON.stringify(key)}`;
  }

  #report(key: TableKey, thrown: unknown): MetatrainError {
    if (!(thrown instanceof MetatrainError)) throw thrown;
    const name = this.#nameOf(key);
    if (!this.#reported.has(name) && this.#reported.size < maxReported) {
      this.#reported.add(name);
      this.#onCorrupt(thrown);
    }
    return thrown;
  }
}
