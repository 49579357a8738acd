// Sizes of memory on a command line, such as 6GiB.
const units = { MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const;

/** What `parseMemorySize` takes, for an error message. */
export const acceptedMemorySize = 'Accepted: a size in MiB, GiB or TiB, at least 1MiB, such as 6GiB.';

/** Bytes, at least 1 MiB; undefined when the text is no such size. */
export function parseMemorySize(text: string): number | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(MiB|GiB|TiB)$/.exec(text) ?? [];
  const bytes = Math.floor(Number(number) * units[unit as keyof typeof units]);
  return bytes >= units.MiB ? bytes : undefined;
}
