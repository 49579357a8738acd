// A Kubernetes API server for tests, as far as the controller uses one: lists in pages, watches with
// bookmarks and timeouts, merge patches, the status subresource, versions and conflicts, finalizers.
// It can be stopped, forget its history (410) and leave watches silent. It keeps an audit log.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import type { KubeObject, ObjectMeta } from '../../deploy/controller/kube/objects.ts';

export type Stored = KubeObject & {
  readonly spec?: Record<string, unknown>;
  readonly status?: Record<string, unknown>;
};

export interface AuditLine {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly name: string;
  readonly code: number;
}

interface Change {
  readonly version: number;
  readonly collection: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: Stored;
}

interface Watch {
  readonly collection: string;
  readonly response: ServerResponse;
  isSilent: boolean;
}

interface Target {
  readonly group: string;
  readonly resource: string;
  /** With the namespace. */
  readonly collection: string;
  readonly namespace: string;
  readonly name: string;
  readonly subresource: string;
}

class ApiError extends Error {
  readonly code: number;
  readonly reason: string;
  constructor(code: number, reason: string, message: string) {
    super(message);
    this.code = code;
    this.reason = reason;
  }
}

export class FakeApiServer {
  readonly audit: AuditLine[] = [];
  #objects = new Map<string, Map<string, Stored>>();
  #changes: Change[] = [];
  #compactedTo = 0;
  #version = 1_000;
  #uids = 0;
  #server: Server | undefined;
  #port = 0;
  #arrived = 0;
  readonly #watches = new Set<Watch>();
  readonly #readers = new Set<() => void>();

  private constructor() {}

  static async start(t: TestContext): Promise<FakeApiServer> {
    const fake = new FakeApiServer();
    await fake.up();
    t.after(() => fake.down());
    return fake;
  }

  get port(): number {
    return this.#port;
  }

  /** A kubeconfig's text, for the server itself or for a proxy before it. */
  kubeconfig(port = this.#port): string {
    return JSON.stringify({
      'current-context': 'fake',
      clusters: [{ name: 'fake', cluster: { server: `http://127.0.0.1:${port}` } }],
      users: [{ name: 'someone', user: { token: 'a-token' } }],
      contexts: [{ name: 'fake', context: { cluster: 'fake', user: 'someone', namespace: 'lab' } }],
    });
  }

  /** Always on the same port. */
  async up(): Promise<void> {
    const server = createServer((request, response) => void this.#answer(request, response));
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Every connection ends. May be called twice. */
  async down(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }

  /** Resolves when this many more requests have arrived: before the last of them is answered. */
  async arrivals(count: number): Promise<void> {
    const wanted = this.#arrived + count;
    while (this.#arrived < wanted) await once(this.#server ?? this.#noServer(), 'request');
  }

  /** Forgets the changes so far: a watch from an earlier version is answered with 410. */
  compact(): void {
    this.#compactedTo = this.#version;
    this.#changes = [];
  }

  dropWatches(): void {
    for (const { response } of this.#watches) response.destroy();
  }

  /** The watches that are open now say nothing more and do not end. @returns how many */
  silenceWatches(): number {
    for (const watch of this.#watches) watch.isSilent = true;
    return this.#watches.size;
  }

  create(collection: string, object: Stored): Stored {
    const objects = this.#in(collection);
    if (objects.has(object.metadata.name)) throw new ApiError(409, 'AlreadyExists', `${object.metadata.name} exists`);
    this.#uids += 1;
    const namespace = /namespaces\/([^/]+)/.exec(collection)?.[1] ?? '';
    const metadata: ObjectMeta = {
      ...object.metadata,
      namespace,
      uid: `uid-${this.#uids}-${process.pid}`,
      generation: 1,
      creationTimestamp: new Date().toISOString(),
    };
    return this.#store(collection, 'ADDED', { ...object, metadata });
  }

  get(collection: string, name: string): Stored | undefined {
    return this.#in(collection).get(name);
  }

  all(collection: string): Stored[] {
    return [...this.#in(collection).values()];
  }

  /** A change by a user. */
  patch(collection: string, name: string, patch: Record<string, unknown>, subresource = ''): Stored {
    const before = this.#existing(collection, name);
    const { resourceVersion, uid } = (patch.metadata ?? {}) as ObjectMeta;
    if (resourceVersion !== undefined && resourceVersion !== before.metadata.resourceVersion) {
      throw new ApiError(409, 'Conflict', `${name} has changed: it is at ${before.metadata.resourceVersion}`);
    }
    if (uid !== undefined && uid !== before.metadata.uid)
      throw new ApiError(409, 'Conflict', `${name} has another uid`);
    const merged = merge(before, patch) as Stored;
    const status = subresource === 'status' ? merged.status : before.status;
    const { status: _, ...rest } = subresource === 'status' ? before : merged;
    const isSpecChanged = JSON.stringify(rest.spec) !== JSON.stringify(before.spec);
    const metadata = { ...rest.metadata, generation: (before.metadata.generation ?? 0) + Number(isSpecChanged) };
    return this.#settle(collection, { ...rest, metadata, ...(status && { status }) });
  }

  delete(collection: string, name: string, preconditions: Partial<ObjectMeta> = {}): void {
    const { metadata, ...rest } = this.#existing(collection, name);
    for (const field of ['uid', 'resourceVersion'] as const) {
      const wanted = preconditions[field];
      if (wanted !== undefined && wanted !== metadata[field]) throw new ApiError(409, 'Conflict', `${field} differs`);
    }
    const deletionTimestamp = metadata.deletionTimestamp ?? `${new Date().toISOString().slice(0, 19)}Z`;
    this.#settle(collection, { ...rest, metadata: { ...metadata, deletionTimestamp } });
  }

  /** Resolves when `isWanted` holds of the object, now or after a change; undefined: it is gone. */
  until(
    collection: string,
    name: string,
    isWanted: (object: Stored | undefined) => boolean,
    patienceMs = 60_000,
  ): Promise<Stored | undefined> {
    return new Promise((resolve, reject) => {
      const read = () => {
        const object = this.get(collection, name);
        if (!isWanted(object)) return;
        this.#readers.delete(read);
        clearTimeout(timer);
        resolve(object);
      };
      const timer = setTimeout(() => {
        this.#readers.delete(read);
        const shown = JSON.stringify(this.get(collection, name), null, 1);
        reject(new Error(`${name} was not as wanted within ${patienceMs} ms; it is ${shown}`));
      }, patienceMs);
      this.#readers.add(read);
      read();
    });
  }

  #noServer(): never {
    throw new Error('the API server is down');
  }

  #in(collection: string): Map<string, Stored> {
    let objects = this.#objects.get(collection);
    if (!objects) {
      objects = new Map();
      this.#objects.set(collection, objects);
    }
    return objects;
  }

  #existing(collection: string, name: string): Stored {
    const object = this.get(collection, name);
    if (!object) throw new ApiError(404, 'NotFound', `${name} not found`);
    return object;
  }

  /** An object that is deleted and waits for nobody is gone. */
  #settle(collection: string, object: Stored): Stored {
    const { deletionTimestamp, finalizers = [] } = object.metadata;
    return this.#store(collection, deletionTimestamp && finalizers.length === 0 ? 'DELETED' : 'MODIFIED', object);
  }

  #store(collection: string, type: Change['type'], object: Stored): Stored {
    this.#version += 1;
    const stored = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
    if (type === 'DELETED') this.#in(collection).delete(object.metadata.name);
    else this.#in(collection).set(object.metadata.name, stored);
    const change = { version: this.#version, collection, type, object: stored };
    this.#changes.push(change);
    for (const watch of this.#watches) if (watch.collection === collection) this.#send(watch, change);
    for (const read of [...this.#readers]) read();
    return stored;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#arrived += 1;
    const url = new URL(request.url ?? '/', 'http://fake');
    const target = targetOf(url.pathname);
    const isWatch = url.searchParams.get('watch') === 'true';
    const verb = verbOf(request.method ?? '', target.name, isWatch);
    let code = 200;
    try {
      const body = await text(request);
      if (isWatch) this.#watch(target.collection, url.searchParams, response);
      else {
        const isPatch = request.method === 'PATCH';
        if (isPatch && request.headers['content-type'] !== 'application/merge-patch+json') {
          throw new ApiError(415, 'UnsupportedMediaType', 'only merge patches are known here');
        }
        reply(response, 200, this.#call(verb, target, url.searchParams, body === '' ? {} : JSON.parse(body)));
      }
    } catch (thrown) {
      const { code: status = 500, reason = 'InternalError', message } = thrown as ApiError;
      code = status;
      reply(response, status, { kind: 'Status', code: status, reason, message });
    } finally {
      const resource = target.subresource === '' ? target.resource : `${target.resource}/${target.subresource}`;
      this.audit.push({ verb, group: target.group, resource, name: target.name, code });
    }
  }

  #call(verb: string, target: Target, query: URLSearchParams, body: Record<string, unknown>): unknown {
    const { collection, name, subresource } = target;
    switch (verb) {
      case 'list':
        return this.#list(collection, query);
      case 'get':
        return this.#existing(collection, name);
      case 'create':
        return this.create(collection, body as unknown as Stored);
      case 'update':
        return this.patch(collection, name, body);
      case 'patch':
        return this.patch(collection, name, body, subresource);
      case 'delete':
        this.delete(collection, name, (body.preconditions ?? {}) as Partial<ObjectMeta>);
        return { kind: 'Status', status: 'Success' };
      default:
        throw new ApiError(405, 'MethodNotAllowed', verb);
    }
  }

  #list(collection: string, query: URLSearchParams): unknown {
    const limit = Number(query.get('limit') ?? 500);
    const from = Number(query.get('continue') ?? 0);
    const items = this.all(collection);
    const next = from + limit < items.length ? String(from + limit) : undefined;
    return {
      kind: 'List',
      metadata: { resourceVersion: String(this.#version), ...(next && { continue: next }) },
      items: items.slice(from, from + limit),
    };
  }

  #watch(collection: string, query: URLSearchParams, response: ServerResponse): void {
    const since = Number(query.get('resourceVersion'));
    if (since < this.#compactedTo) throw new ApiError(410, 'Expired', `too old resource version: ${since}`);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    const watch: Watch = { collection, response, isSilent: false };
    this.#watches.add(watch);
    for (const change of this.#changes) {
      if (change.collection === collection && change.version > since) this.#send(watch, change);
    }
    const timer = setTimeout(
      () => {
        if (watch.isSilent) return;
        const object = { metadata: { name: '', resourceVersion: String(this.#version) } };
        response.end(`${JSON.stringify({ type: 'BOOKMARK', object })}\n`);
      },
      1_000 * Number(query.get('timeoutSeconds')),
    );
    response.on('close', () => {
      clearTimeout(timer);
      this.#watches.delete(watch);
    });
  }

  #send({ response, isSilent }: Watch, { type, object }: Change): void {
    if (!isSilent) response.write(`${JSON.stringify({ type, object })}\n`);
  }
}

function targetOf(path: string): Target {
  const parts = path.split('/').filter(Boolean);
  const [group, rest] = parts[0] === 'api' ? ['', parts.slice(2)] : [parts[1] ?? '', parts.slice(3)];
  const [, namespace = '', resource = '', name = '', subresource = ''] = rest;
  return { group, namespace, resource, name, subresource, collection: collectionOf(group, namespace, resource) };
}

export const collectionOf = (group: string, namespace: string, resource: string): string =>
  `${group}/namespaces/${namespace}/${resource}`;

function verbOf(method: string, name: string, isWatch: boolean): string {
  if (isWatch) return 'watch';
  if (method === 'GET') return name === '' ? 'list' : 'get';
  return { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }[method] ?? method;
}

function reply(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

/** RFC 7396. */
function merge(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const base = typeof target === 'object' && target !== null && !Array.isArray(target) ? target : {};
  const merged: Record<string, unknown> = { ...base };
  for (const [field, value] of Object.entries(patch)) {
    if (value === null) delete merged[field];
    else merged[field] = merge(merged[field], value);
  }
  return merged;
}
