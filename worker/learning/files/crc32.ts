// CRC-32 as zip archives record it (ISO 3309, reflected polynomial edb88320). Node's own `zlib.crc32`
// is there from Node 20.15 on only.
const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) remainder = remainder & 1 ? (remainder >>> 1) ^ 0xedb88320 : remainder >>> 1;
  return remainder;
});

/** Of all the bytes, as an unsigned number. */
export function crc32(bytes: Uint8Array): number {
  let checksum = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) checksum = table[(checksum ^ bytes[i]!) & 255]! ^ (checksum >>> 8);
  return (checksum ^ 0xffffffff) >>> 0;
}
