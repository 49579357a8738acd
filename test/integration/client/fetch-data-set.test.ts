// Fetching a file of a data set from a real HTTP server that behaves as told.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { type FetchOptions, fetchDataSetFile } from '../../../client/cli/fetch-data-set.ts';
import type { DataSetFile } from '../../../shared/data-sets.ts';

const content = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7) % 251));
const sha256 = createHash('sha256').update(content).digest('hex');

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

interface Place {
  readonly directory: string;
  readonly file: DataSetFile;
  readonly path: string;
  /** The `range` of every request, in order. */
  readonly ranges: (string | undefined)[];
  fetch(options?: Partial<FetchOptions>): ReturnType<typeof fetchDataSetFile>;
  /** A fetch whose connection is cut once so many bytes are kept. */
  fetchCutAt(bytes: number): ReturnType<typeof fetchDataSetFile>;
}

/** A server that gives each answer to one request, the last to all that follow; and a catalogue's entry that points to it. */
async function place(t: TestContext, ...answers: readonly Answer[]): Promise<Place> {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-fetch-'));
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    ranges.push(request.headers.range);
    answers[Math.min(ranges.length, answers.length) - 1]?.(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
    rmSync(directory, { recursive: true });
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/letters.zip`;
  const file = { file: 'letters.zip', url, bytes: content.byteLength, sha256, part: 'small' };
  const target = join(directory, 'letters');
  return {
    directory: target,
    file,
    path: join(target, 'letters.zip'),
    ranges,
    fetch: (options) => fetchDataSetFile(file, { directory: target, ...options }),
    fetchCutAt: (bytes) =>
      fetchDataSetFile(file, {
        directory: target,
        onProgress: (received) => received === bytes && server.closeAllConnections(),
      }),
  };
}

const whole: Answer = (_, response) => response.end(content);
/** Sends the first bytes and then says nothing. */
const begin =
  (bytes: number): Answer =>
  (_, response) => {
    response.writeHead(200, { 'content-length': content.byteLength });
    response.write(content.subarray(0, bytes));
  };
const rest: Answer = (request, response) => {
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? Number.NaN);
  assert.ok(from > 0, 'a range was asked for');
  response.writeHead(206, { 'content-range': `bytes ${from}-${content.byteLength - 1}/${content.byteLength}` });
  response.end(content.subarray(from));
};

test('a file is fetched whole, verified, and not fetched again', async (t) => {
  const at = await place(t, whole);
  const seen: number[] = [];
  const onProgress = (received: number, total: number) => seen.push(received / total);
  const fetched = { path: at.path, sha256, bytes: content.byteLength };
  assert.deepEqual(await at.fetch({ onProgress }), { ...fetched, alreadyThere: false });
  assert.deepEqual(readFileSync(at.path), content);
  assert.equal(seen.at(-1), 1);
  assert.deepEqual(await at.fetch(), { ...fetched, alreadyThere: true });
  assert.equal(at.ranges.length, 1);
  assert.deepEqual(readdirSync(at.directory), ['letters.zip']);
});

test('a file with another hash is deleted, and both hashes are reported', async (t) => {
  const other = Buffer.from('something else');
  const at = await place(t, (_, response) => response.end(other));
  await assert.rejects(at.fetch(), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'DATA_CORRUPT');
    assert.ok(error.message.includes(sha256), 'what was expected');
    assert.ok(error.message.includes(createHash('sha256').update(other).digest('hex')), 'what came');
    return true;
  });
  assert.deepEqual(readdirSync(at.directory), []);
});

test('a damaged local file is fetched again', async (t) => {
  const at = await place(t, whole);
  await at.fetch();
  writeFileSync(at.path, 'damaged');
  assert.equal((await at.fetch()).alreadyThere, false);
  assert.deepEqual(readFileSync(at.path), content);
});

test('a server without the file is reported with its answer, and no file is left', async (t) => {
  const at = await place(t, (_, response) => response.writeHead(404).end('no such file'));
  await assert.rejects(at.fetch(), {
    code: 'DATA_SET_MISSING',
    message: new RegExp(`^cannot fetch ${at.file.url}: the server answered 404 Not Found`),
  });
  assert.deepEqual(readdirSync(at.directory), []);
});

test("a broken download leaves no file under the data set's name, and continues where it stopped", async (t) => {
  const at = await place(t, begin(40_000), rest);
  await assert.rejects(at.fetchCutAt(40_000), {
    code: 'DATA_SET_MISSING',
    message: /run the command again to continue/,
  });
  assert.ok(!existsSync(at.path));
  assert.deepEqual(readFileSync(`${at.path}.part`), content.subarray(0, 40_000));
  assert.equal((await at.fetch()).sha256, sha256);
  assert.deepEqual(at.ranges, [undefined, 'bytes=40000-']);
  assert.deepEqual(readdirSync(at.directory), ['letters.zip']);
});

test('a server without ranges sends the whole file again', async (t) => {
  const at = await place(t, begin(40_000), whole);
  await assert.rejects(at.fetchCutAt(40_000));
  assert.equal((await at.fetch()).sha256, sha256);
  assert.deepEqual(readFileSync(at.path), content);
});

test('a complete partial file is used when the server answers 416', async (t) => {
  const at = await place(t, begin(40_000), (_, response) => response.writeHead(416).end());
  await assert.rejects(at.fetchCutAt(40_000));
  writeFileSync(`${at.path}.part`, content);
  assert.equal((await at.fetch()).sha256, sha256);
});

test('a server that stops sending is given up', async (t) => {
  const at = await place(t, begin(10));
  await assert.rejects(at.fetch({ stallMs: 200 }), {
    code: 'DATA_SET_MISSING',
    message: /the server sent nothing for 0\.2 s/,
  });
  assert.ok(!existsSync(at.path));
});

test('an endless file is given up at twice the size in the catalogue', async (t) => {
  const at = await place(t, (_, response) => {
    const more = () => {
      while (!response.destroyed && response.write(content));
      if (!response.destroyed) response.once('drain', more);
    };
    more();
  });
  await assert.rejects(at.fetch(), { code: 'DATA_SET_MISSING', message: /larger than the 100000 bytes of the catal/ });
  assert.ok(!existsSync(at.path));
});

test('an interrupted download ends with the reason of the interruption', async (t) => {
  const interruption = new Error('interrupted by SIGINT');
  const controller = new AbortController();
  const at = await place(t, begin(10));
  const onProgress = () => controller.abort(interruption);
  await assert.rejects(at.fetch({ signal: controller.signal, onProgress }), interruption);
  assert.ok(!existsSync(at.path));
});

test('a mirror is asked for an equal path, and its file must have the hash of the catalogue', async (t) => {
  const at = await place(t, whole);
  const mirror = new URL('.', at.file.url).href;
  const elsewhere = { ...at.file, url: 'http://127.0.0.1:1/never-asked' };
  const fetched = await fetchDataSetFile(elsewhere, { directory: at.directory, mirror });
  assert.equal(fetched.sha256, sha256);
});

test('a folder that cannot be made is named', async (t) => {
  const at = await place(t, whole);
  const inTheWay = join(at.directory, '..', 'a-file');
  writeFileSync(inTheWay, '');
  await assert.rejects(at.fetch({ directory: join(inTheWay, 'letters') }), {
    code: 'REQUEST_INVALID',
    message: /^cannot make the folder .*a-file\/letters: ENOTDIR/,
  });
});

test('a failed fetch says whether a proxy from the environment was used', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-fetch-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = { file: 'x.zip', url: 'http://data.invalid/x.zip', bytes: 1, sha256, part: 'small' };
  const failure = (environment: Record<string, string>) => fetchDataSetFile(file, { directory, environment });
  for (const [environment, message] of [
    [{}, /^cannot fetch http:\/\/data\.invalid\/x\.zip: [^(]*\. The bytes/],
    [{ https_proxy: 'http://p:1' }, /x\.zip: [^(]*\. The bytes/],
    [{ http_proxy: 'http://p:1' }, /\(not through the proxy of http_proxy: .*NODE_USE_ENV_PROXY=1\)\. The bytes/],
    [{ HTTP_PROXY: 'http://p:1' }, /\(not through the proxy of HTTP_PROXY: /],
    [{ http_proxy: 'http://p:1', NODE_USE_ENV_PROXY: '1' }, /\(through the proxy of http_proxy, unless /],
  ] as const) {
    await assert.rejects(failure(environment), { code: 'DATA_SET_MISSING', message });
  }
});
