// Writes TensorBoard's event files: TFRecord frames of `tensorflow.Event` messages that hold scalars.
// Format: tensorflow/core/lib/io/record_writer.h and tensorflow/core/util/event.proto. Pure.

export interface Scalar {
  readonly tag: string;
  readonly step: number;
  readonly value: number;
}

/**
 * @param wallSeconds since 1970; TensorBoard shows it as the time of every point.
 * @returns the bytes of one event file: the version, then one event a scalar, in the given order.
 */
export function eventFile(scalars: readonly Scalar[], wallSeconds: number): Buffer {
  const version = message([double(1, wallSeconds), bytes(3, Buffer.from('brain.Event:2'))]);
  const events = scalars.map(({ tag, step, value }) => {
    const entry = message([bytes(1, Buffer.from(tag)), float(2, value)]);
    return message([double(1, wallSeconds), varint(2, step), bytes(5, bytes(1, entry))]);
  });
  return Buffer.concat([version, ...events].map(record));
}

const message = (fields: readonly Buffer[]): Buffer => Buffer.concat(fields);

const double = (field: number, value: number): Buffer => {
  const buffer = Buffer.alloc(9, (field << 3) | 1);
  buffer.writeDoubleLE(value, 1);
  return buffer;
};

const float = (field: number, value: number): Buffer => {
  const buffer = Buffer.alloc(5, (field << 3) | 5);
  buffer.writeFloatLE(value, 1);
  return buffer;
};

const varint = (field: number, value: number): Buffer => Buffer.from([field << 3, ...base128(value)]);

const bytes = (field: number, value: Buffer): Buffer =>
  Buffer.concat([Buffer.from([(field << 3) | 2, ...base128(value.length)]), value]);

function base128(value: number): number[] {
  const digits: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...digits, rest];
    digits.push((rest % 128) | 128);
  }
}

/** Length, its checksum, the data, its checksum. */
function record(data: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, maskedChecksum(length), data, maskedChecksum(data)]);
}

function maskedChecksum(data: Buffer): Buffer {
  const sum = crc32c(data);
  const masked = Buffer.alloc(4);
  masked.writeUInt32LE((((sum >>> 15) | (sum << 17)) + 0xa282ead8) >>> 0);
  return masked;
}

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte;
  for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ 0x82f63b78 : sum >>> 1;
  return sum;
});

/** CRC-32C (Castagnoli), as in RFC 3720. */
export function crc32c(data: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of data) sum = (table[(sum ^ byte) & 255] ?? 0) ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}
