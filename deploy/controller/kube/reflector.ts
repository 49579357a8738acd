// Keeps a copy of all objects of one kind in step with the API server: lists them, then watches for
// changes. A watch lasts a few seconds, and the next one begins where it ended. So a silent watch is
// noticed soon, whatever the cause. It lists again when the server no longer knows the version (410).
// It never gives up. It may skip states of an object, but not the newest one.
import { type Clock, delay } from '../../../shared/clock.ts';
import type { Logger } from '../../../shared/log.ts';
import type { ApiClient, Query } from './api-client.ts';
import { isGone, KubeError } from './errors.ts';
import type { KubeObject } from './objects.ts';

export interface ReflectorOptions<Item> {
  readonly path: string;
  readonly query?: Query;
  /** How long a watch lasts. Default 2 s. */
  readonly watchSeconds?: number;
  /** An object is there, has changed or is gone. Must not throw. */
  readonly onChange: (key: string, item: Item | undefined) => void;
  /** The copy is in step after each answered list or watch, and out of step after a failed one. */
  readonly onSynced?: (isSynced: boolean) => void;
  readonly onList?: () => void;
}

interface Dependencies {
  readonly api: ApiClient;
  readonly clock: Clock;
  readonly log: Logger;
  readonly randomFraction: () => number;
}

const firstRetryMs = 50;
/** Short, so that an API server that is back is noticed within seconds. */
const longestRetryMs = 1_000;
const patienceMs = 15_000;

export const keyOf = ({ metadata: { namespace = '', name } }: KubeObject): string => `${namespace}/${name}`;

export class Reflector<Item extends KubeObject> {
  readonly #options: ReflectorOptions<Item>;
  readonly #dependencies: Dependencies;
  readonly #items = new Map<string, Item>();
  #isSynced = false;
  #failure: { readonly message: string; readonly sinceMs: number; readonly toldMs: number } | undefined;

  constructor(options: ReflectorOptions<Item>, dependencies: Dependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  get isSynced(): boolean {
    return this.#isSynced;
  }

  /** Why the API server could not be followed for longer than a restart takes; undefined when it is followed. */
  get problem(): string | undefined {
    if (!this.#failure) return undefined;
    const { message, sinceMs } = this.#failure;
    return this.#dependencies.clock.elapsedMs() - sinceMs > patienceMs ? message : undefined;
  }

  get(key: string): Item | undefined {
    return this.#items.get(key);
  }

  keys(): string[] {
    return [...this.#items.keys()];
  }

  values(): Iterable<Item> {
    return this.#items.values();
  }

  /** Takes the result of a write, before the watch brings it. */
  put(item: Item): void {
    const key = keyOf(item);
    if (this.#items.get(key)?.metadata.uid === item.metadata.uid) this.#items.set(key, slim(item));
  }

  /** Until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    let version: string | undefined;
    let retryMs = firstRetryMs;
    while (!signal.aborted) {
      try {
        version ??= await this.#list(signal);
        for await (const newer of this.#watch(version, signal)) version = newer;
        this.#setSynced(true);
        retryMs = firstRetryMs;
      } catch (thrown) {
        if (signal.aborted) return;
        if (isGone(thrown)) {
          this.#dependencies.log.debug({ path: this.#options.path }, 'the version is too old: listing again');
          version = undefined;
        }
        this.#setSynced(false);
        this.#tell(thrown);
        const pauseMs = retryAfter(thrown) ?? retryMs * (0.5 + this.#dependencies.randomFraction());
        retryMs = Math.min(2 * retryMs, longestRetryMs);
        await delay(pauseMs, signal).catch(() => undefined);
      }
    }
  }

  async #list(signal: AbortSignal): Promise<string> {
    const { path, query = {}, onChange, onList } = this.#options;
    const { items, metadata } = await this.#dependencies.api.list<Item>(path, query, signal);
    onList?.();
    const fresh = new Map(items.map((item) => [keyOf(item), slim(item)]));
    for (const key of this.keys()) {
      if (fresh.has(key)) continue;
      this.#items.delete(key);
      onChange(key, undefined);
    }
    for (const [key, item] of fresh) {
      const known = this.#items.get(key);
      this.#items.set(key, item);
      if (known?.metadata.resourceVersion !== item.metadata.resourceVersion) onChange(key, item);
    }
    this.#setSynced(true);
    return metadata.resourceVersion ?? '';
  }

  /** Yields the version after each event. */
  async *#watch(resourceVersion: string, signal: AbortSignal): AsyncGenerator<string, void> {
    const { path, query = {}, watchSeconds: seconds = 2, onChange } = this.#options;
    const events = this.#dependencies.api.watch<Item>(path, { resourceVersion, query, seconds, signal });
    for await (const event of events) {
      if (event.type === 'ERROR') continue;
      const { type, object } = event;
      if (type !== 'BOOKMARK') {
        const key = keyOf(object);
        if (type === 'DELETED') this.#items.delete(key);
        else this.#items.set(key, slim(object));
        onChange(key, type === 'DELETED' ? undefined : object);
      }
      if (object.metadata.resourceVersion !== undefined) yield object.metadata.resourceVersion;
    }
  }

  /** A lost watch is normal. A failure that lasts is logged as a warning now and then. */
  #tell(thrown: unknown): void {
    const { clock, log } = this.#dependencies;
    const nowMs = clock.elapsedMs();
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    const { sinceMs = nowMs, toldMs = nowMs } = this.#failure ?? {};
    const isDue = nowMs - toldMs > patienceMs;
    log[isDue ? 'warn' : 'debug']({ err: thrown }, 'the resources cannot be followed; trying again');
    this.#failure = { message, sinceMs, toldMs: isDue ? nowMs : toldMs };
  }

  #setSynced(isSynced: boolean): void {
    if (isSynced) this.#failure = undefined;
    if (this.#isSynced === isSynced) return;
    this.#isSynced = isSynced;
    this.#options.onSynced?.(isSynced);
  }
}

/** Without the fields that only tools of the API server read: they are half of an object. */
function slim<Item extends KubeObject>(item: Item): Item {
  const { managedFields: _, annotations: __, ...metadata } = item.metadata;
  return { ...item, metadata };
}

const retryAfter = (thrown: unknown): number | undefined =>
  thrown instanceof KubeError && thrown.retryAfterMs !== undefined ? Math.min(thrown.retryAfterMs, 1_000) : undefined;
