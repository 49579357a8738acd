// Reads arrays of bytes from an archive of NumPy's `savez` (NEP 1, versions 1 to 3 of the format):
// a zip with one `<name>.npy` an array. Other number types and Fortran's order are refused: nothing
// here needs them.
import type { ArchiveLimits, TaskIo } from '../tasks.ts';

/** Row-major. */
export interface ByteArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/**
 * The named arrays of an archive; others are not read.
 *
 * @throws Error that says what is wrong; the caller adds where the archive comes from.
 */
export async function byteArrays<Name extends string>(
  path: string,
  names: readonly Name[],
  limits: ArchiveLimits,
  io: Pick<TaskIo, 'entries'>,
): Promise<Readonly<Record<Name, ByteArray>>> {
  const found: Partial<Record<Name, ByteArray>> = {};
  for await (const { name: entry, read } of io.entries(path, limits)) {
    const name = names.find((wanted) => entry === `${wanted}.npy`);
    if (name === undefined) continue;
    try {
      found[name] = byteArray(await read());
    } catch (cause) {
      throw new Error(`${entry}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
  }
  const missing = names.filter((name) => !found[name]);
  if (missing.length > 0) throw new Error(`it has no array ${missing.join(', ')}`);
  return found as Record<Name, ByteArray>;
}

const magic = '\x93NUMPY';

/** @param file a whole `.npy`. @throws Error that says what is wrong. */
export function byteArray(file: Uint8Array): ByteArray {
  const start = Array.from(file.subarray(0, magic.length), (code) => String.fromCharCode(code)).join('');
  if (start !== magic) throw new Error('it is not an array of NumPy');
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  // from version 2 on, the header's length takes four bytes
  const lengthBytes = file[6] === 1 ? 2 : 4;
  const headerAt = magic.length + 2 + lengthBytes;
  if (file.length < headerAt) throw new Error('its header is cut off');
  const headerLength = lengthBytes === 2 ? view.getUint16(8, true) : view.getUint32(8, true);
  const header = new TextDecoder('latin1').decode(file.subarray(headerAt, headerAt + headerLength));
  const type = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  if (type !== '|u1' && type !== '|b1') throw new Error(`its numbers are ${type ?? 'unknown'}; accepted: bytes, |u1`);
  if (!/'fortran_order':\s*False/.test(header)) throw new Error("it is in Fortran's order; accepted: C's");
  const axes = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  if (axes === undefined) throw new Error('its header has no shape');
  const shape = axes.split(',').flatMap((axis) => (axis.trim() === '' ? [] : [Number(axis)]));
  const elements = shape.reduce((product, axis) => product * axis, 1);
  const data = file.subarray(headerAt + headerLength);
  if (data.length !== elements) {
    throw new Error(`it has ${data.length} bytes of data; accepted: ${elements}, for the shape [${shape.join(', ')}]`);
  }
  return { shape, data };
}
