// Fetches one file of a data set: writes FILE.part, checks its hash and renames it. A broken
// download continues where it stopped if the server supports that. A file with another SHA-256 than
// the catalogue's is deleted. So a file with the final name is always complete.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { realClock } from '../../shared/clock.ts';
import type { DataSetFile } from '../../shared/data-sets.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { isLoopback } from '../../shared/loopback.ts';

export interface FetchOptions {
  readonly directory: string;
  /** Paths where the file may be already; nothing is fetched then. Default: none. */
  readonly elsewhere?: readonly string[];
  /** A URL of a folder with the same files. Default: the official source. */
  readonly mirror?: string;
  readonly onProgress?: (receivedBytes: number, totalBytes: number) => void;
  readonly signal?: AbortSignal;
  /** Environment in which to look for proxy variables, for error messages. Default: none. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** The download fails after this time without data. Default 30,000 ms. */
  readonly stallMs?: number;
}

export interface FetchedFile {
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
  /** True when the whole file was there already. */
  readonly alreadyThere: boolean;
}

/** A file that is larger than the catalogue's size by this factor is another file. */
const toleratedExcess = 2;

/** @throws MetatrainError `DATA_SET_MISSING` when it cannot be fetched, `DATA_CORRUPT` when it is not the file of the catalogue. */
export async function fetchDataSetFile(file: DataSetFile, options: FetchOptions): Promise<FetchedFile> {
  const path = join(options.directory, file.file);
  for (const candidate of [path, ...(options.elsewhere ?? [])]) {
    const existing = await hashOf(candidate);
    if (existing !== undefined && (file.sha256 === null || existing.sha256 === file.sha256)) {
      return { path: candidate, ...existing, alreadyThere: true };
    }
  }
  await mkdir(options.directory, { recursive: true }).catch((cause: unknown) => {
    throw new MetatrainError('REQUEST_INVALID', `cannot make the folder ${options.directory}: ${messageOf(cause)}`, {
      cause,
    });
  });
  const url = options.mirror === undefined ? file.url : new URL(file.file, options.mirror).href;
  const part = `${path}.part`;
  await download(url, part, file, options);
  const fetched = await hashOf(part);
  if (fetched === undefined) throw new MetatrainError('INTERNAL', `${part} has vanished`);
  if (file.sha256 !== null && fetched.sha256 !== file.sha256) {
    await rm(part, { force: true });
    throw new MetatrainError(
      'DATA_CORRUPT',
      `${url} is not the file of the catalogue: its SHA-256 is ${fetched.sha256}, expected ${file.sha256}. ` +
        'The download was deleted; try again, or use another --mirror',
      { details: { url, sha256: fetched.sha256, expected: file.sha256 } },
    );
  }
  await rename(part, path);
  return { path, ...fetched, alreadyThere: false };
}

async function download(url: string, part: string, file: DataSetFile, options: FetchOptions): Promise<void> {
  const { signal, onProgress, stallMs = 30_000 } = options;
  const stalled = new AbortController();
  let cancelStall = () => {};
  const heard = () => {
    cancelStall();
    cancelStall = realClock.after(stallMs, () =>
      stalled.abort(new Error(`the server sent nothing for ${stallMs / 1000} s`)),
    );
  };
  const anySignal = signal ? AbortSignal.any([signal, stalled.signal]) : stalled.signal;
  try {
    heard();
    const begun = (await sizeOf(part)) ?? 0;
    const response = await fetch(url, {
      signal: anySignal,
      // With compression, a range would count other bytes.
      headers: { 'accept-encoding': 'identity', ...(begun > 0 ? { range: `bytes=${begun}-` } : {}) },
    });
    // 416: the part is complete or longer than the file. Its hash decides.
    if (response.status === 416 && begun > 0) {
      await response.body?.cancel();
      return;
    }
    if (!response.ok || !response.body)
      throw new Error(`the server answered ${response.status} ${response.statusText}`);
    const continues = response.status === 206;
    const handle = await open(part, continues ? 'a' : 'w');
    try {
      let received = continues ? begun : 0;
      for await (const chunk of response.body) {
        heard();
        received += chunk.byteLength;
        if (received > toleratedExcess * file.bytes)
          throw new Error(`it is larger than the ${file.bytes} bytes of the catalogue`);
        await handle.writeFile(chunk);
        onProgress?.(received, file.bytes);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    signal?.throwIfAborted();
    const reason = messageOf(stalled.signal.aborted ? stalled.signal.reason : thrown);
    throw new MetatrainError(
      'DATA_SET_MISSING',
      `cannot fetch ${url}: ${reason}${aboutProxy(url, options.environment)}. The bytes that have arrived are kept; run the command again to continue, ` +
        `or put ${file.file} into ${options.directory} by hand`,
      { details: { url }, cause: thrown },
    );
  } finally {
    cancelStall();
  }
}

/**
 * Node's fetch uses a proxy of the environment only with NODE_USE_ENV_PROXY=1, and an old Node
 * never does.
 */
function aboutProxy(url: string, environment: FetchOptions['environment'] = {}): string {
  const { hostname, protocol } = new URL(url);
  if (isLoopback(hostname)) return '';
  const name = `${protocol.slice(0, -1)}_proxy`;
  const variable = [name, name.toUpperCase()].find((name) => environment[name]);
  if (variable === undefined) return '';
  return environment.NODE_USE_ENV_PROXY === '1'
    ? ` (through the proxy of ${variable}, unless this Node is older than 22.21 or 24.5)`
    : ` (not through the proxy of ${variable}: Node 22.21, 24.5 or later uses it with NODE_USE_ENV_PROXY=1)`;
}

async function hashOf(path: string): Promise<{ readonly sha256: string; readonly bytes: number } | undefined> {
  const bytes = await sizeOf(path);
  if (bytes === undefined) return undefined;
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return { sha256: hash.digest('hex'), bytes };
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch {
    return undefined;
  }
}

/** The innermost reason: fetch reports only "fetch failed" and has the reason in the cause. */
function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  return thrown.cause instanceof Error ? messageOf(thrown.cause) : thrown.message;
}
