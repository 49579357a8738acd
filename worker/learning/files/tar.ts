// Reads tar archives packed with gzip (POSIX.1-1988, ustar) for task distributions: their plain
// files. Extended headers and links are passed over. Says what is wrong; the caller adds what the
// archive should have been.
import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { ArchiveEntry, ArchiveLimits } from '../../../learning/tasks.ts';

const unpack = promisify(gunzip);
const blockBytes = 512;
/** Of the header: what a field holds, up to its first zero byte. */
const textOf = (header: Buffer, from: number, to: number): string =>
  header.toString('latin1', from, to).replace(/\0.*$/s, '').trim();

/**
 * @param limits `maxArchiveBytes` holds for the archive as it is and unpacked. @throws Error that
 *   says what is wrong.
 */
export async function* tarGzipEntries(path: string, limits: ArchiveLimits): AsyncGenerator<ArchiveEntry> {
  const { maxArchiveBytes, maxEntryBytes, maxEntries } = limits;
  const { size } = await stat(path);
  if (size > maxArchiveBytes) throw new Error(`it has ${size} bytes; accepted: at most ${maxArchiveBytes}`);
  const archive = await unpack(await readFile(path), { maxOutputLength: maxArchiveBytes });
  let entries = 0;
  for (let at = 0; at + blockBytes <= archive.length; ) {
    const header = archive.subarray(at, at + blockBytes);
    if (header.every((byte) => byte === 0)) return;
    checkHeader(header, at);
    const bytes = Number.parseInt(textOf(header, 124, 136), 8);
    const start = at + blockBytes;
    if (!Number.isInteger(bytes) || start + bytes > archive.length) throw new Error('it is cut off');
    at = start + Math.ceil(bytes / blockBytes) * blockBytes;
    if (++entries > maxEntries) throw new Error(`it has more than ${maxEntries} entries`);
    if (!['', '0'].includes(textOf(header, 156, 157))) continue;
    const prefix = textOf(header, 257, 262) === 'ustar' ? textOf(header, 345, 500) : '';
    const name = `${prefix}${prefix && '/'}${textOf(header, 0, 100)}`;
    yield {
      name,
      async read() {
        if (bytes > maxEntryBytes) throw new Error(`${name} has ${bytes} bytes; accepted: at most ${maxEntryBytes}`);
        return archive.subarray(start, start + bytes);
      },
    };
  }
  throw new Error('it is cut off');
}

/** The header's bytes add up to its checksum, which counts as spaces itself. */
function checkHeader(header: Buffer, at: number): void {
  const recorded = Number.parseInt(textOf(header, 148, 156), 8);
  const sum = header.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 0x20 : byte), 0);
  if (sum !== recorded) throw new Error(`what is at byte ${at} is no header of a tar archive`);
}
