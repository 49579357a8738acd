// Reads zip archives for task distributions. Entries are inflated from the archive in memory: a stream per
// entry would take longer than all the rest. An entry whose checksum is not the one that the archive
// records is refused. Says what is wrong; the caller adds what the archive should have been.
import { readFile, stat } from 'node:fs/promises';
import { inflateRawSync } from 'node:zlib';
import yauzl, { type Entry } from 'yauzl';
import type { ArchiveEntry, ArchiveLimits } from '../../../learning/tasks.ts';
import { crc32 } from './crc32.ts';

const stored = 0;
const deflated = 8;

/** @throws Error that says what is wrong. */
export async function* zipEntries(path: string, limits: ArchiveLimits): AsyncGenerator<ArchiveEntry> {
  const { maxArchiveBytes, maxEntryBytes, maxEntries } = limits;
  const { size } = await stat(path);
  if (size > maxArchiveBytes) throw new Error(`it has ${size} bytes; accepted: at most ${maxArchiveBytes}`);
  const archive = await readFile(path);
  const zip = await yauzl.fromBufferPromise(archive);
  if (zip.entryCount > maxEntries) throw new Error(`it has ${zip.entryCount} entries; accepted: at most ${maxEntries}`);
  for await (const entry of zip.eachEntry()) {
    const read = async () => {
      const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
      return contentOf(entry, archive.subarray(fileDataStart, fileDataStart + entry.compressedSize), maxEntryBytes);
    };
    yield { name: entry.fileName, read };
  }
}

function contentOf(entry: Entry, compressed: Buffer, maxEntryBytes: number): Buffer {
  if (entry.uncompressedSize > maxEntryBytes) {
    throw new Error(`it has ${entry.uncompressedSize} bytes; accepted: at most ${maxEntryBytes}`);
  }
  const content = unpack(entry, compressed, maxEntryBytes);
  const checksum = crc32(content);
  if (checksum !== entry.crc32) {
    throw new Error(`its CRC-32 is ${hexOf(checksum)}; the archive records ${hexOf(entry.crc32)}`);
  }
  return content;
}

function unpack({ compressionMethod }: Entry, compressed: Buffer, maxEntryBytes: number): Buffer {
  switch (compressionMethod) {
    case stored:
      return compressed;
    case deflated:
      return inflateRawSync(compressed, { maxOutputLength: maxEntryBytes });
    default:
      throw new Error(`compression method ${compressionMethod}; accepted: ${stored} (stored), ${deflated} (deflated)`);
  }
}

const hexOf = (checksum: number): string => checksum.toString(16).padStart(8, '0');
