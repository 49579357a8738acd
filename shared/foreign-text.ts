// Text from another process: names, failure messages, reasons, sources. It is limited where it
// enters the cluster, and escaped where it reaches a terminal. Pure and without Node, so the
// console can use it.

/** UTF-8 bytes of a text that a worker chose, such as a failure's message or a reason to leave. */
export const maxWorkerTextBytes = 2_048;

/**
 * UTF-8 bytes of a text that the coordinator composes of several, such as the messages of three
 * workers.
 */
export const maxReasonBytes = 8_192;

const encoder = new TextEncoder();

/** `text`, cut to `maxBytes` of UTF-8 between two characters; a cut is marked. */
export function boundText(text: string, maxBytes: number): string {
  if (3 * text.length <= maxBytes) return text;
  const room = new Uint8Array(maxBytes);
  if (encoder.encodeInto(text, room).read === text.length) return text;
  const mark = ` … (${text.length} characters)`;
  const { read } = encoder.encodeInto(text, room.subarray(0, maxBytes - encoder.encode(mark).byteLength));
  return text.slice(0, read) + mark;
}

/**
 * Characters that control a terminal, or hide or reorder text: C0 and C1 controls, DEL,
 * bidirectional and zero-width characters, line and paragraph separators, and non-characters (half
 * a surrogate pair, unassigned, private use).
 */
const unprintable = /[\p{C}\p{Zl}\p{Zp}]/gu;
const unprintableInLines = /(?![\n\t])[\p{C}\p{Zl}\p{Zp}]/gu;

const escaped = (character: string): string => `\\u{${character.codePointAt(0)?.toString(16)}}`;

/** `text` on one line, every unprintable character as `\u{1b}`. */
export const printable = (text: string): string => text.replace(unprintable, escaped);

/** As `printable`, but line breaks and tabs stay: for text that is laid out in lines. */
export const printableLines = (text: string): string => text.replace(unprintableInLines, escaped);

/** `text` on one line, cut to `limit` characters; a cut is marked. */
export function excerpt(text: string, limit: number): string {
  const characters = [...text.slice(0, 4 * limit)].map(printable);
  const isWhole = text.length <= 4 * limit && characters.length <= limit;
  return isWhole ? characters.join('') : `${characters.slice(0, limit - 3).join('')}...`;
}

/**
 * A copy of plain data in which every text, keys included, is on one line and printable. Other objects,
 * such as dates, stay.
 */
export function printableRecord<Value>(value: Value): Value {
  if (typeof value === 'string') return printable(value) as Value;
  if (Array.isArray(value)) return value.map(printableRecord) as Value;
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, field]) => [printable(key), printableRecord(field)]),
  ) as Value;
}

/** JSON text whose strings hold only printable characters. It parses to the same value. */
export const printableJson = (json: string): string => json.replace(unprintableInLines, jsonEscaped);

const jsonEscaped = (character: string): string =>
  // By UTF-16 unit: JSON has no other escape for characters beyond the first 65,536.
  Array.from(
    { length: character.length },
    (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`,
  ).join('');
