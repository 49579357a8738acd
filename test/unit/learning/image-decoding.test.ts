// Decoding PNGs and JPEGs: against Pillow's pixels for the same JPEG, against what PNG's specification says, and every refusal.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { decodeImage, imageDecoders } from '../../../worker/learning/files/image.ts';
import { jpegOfImage, pngChunk, pngFile, pngOfImage, shapeOf } from './image-files.ts';

const plenty = 10_000;
const pixelsOf = async (file: Uint8Array) => [...(await decodeImage(file, plenty)).data];
const base64 = (text: string) => Buffer.from(text, 'base64');

/** Written by Pillow 13.0 with libjpeg-turbo 3.2; 17 × 11. */
const jpegs = {
  colour: base64(
    '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//wAARCAALABEDASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAABQYA/8QAHxAAAQMEAwEAAAAAAAAAAAAAAAMEIgEFITETFVJi/8QAFwEAAwEAAAAAAAAAAAAAAAAAAgMFBv/EABsRAAIDAAMAAAAAAAAAAAAAAAADAQURAhUx/9oADAMBAAIRAxEAPwCYa2bURhrZNQHGiSeIUHGiKeIUI3F8s9E1toyMJTo/gxdcKfihg8NF2rD/2Q==',
  ),
  progressive: base64(
    '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//wgARCAALABEDASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAABAUA/8QAFgEBAQEAAAAAAAAAAAAAAAAAAgQF/9oADAMBAAIQAxAAAAGWxzohK13LR//EABkQAAMBAQEAAAAAAAAAAAAAAAABAgMRE//aAAgBAQABBQKcScTwJSJSOI//xAAXEQADAQAAAAAAAAAAAAAAAAAAAgQU/9oACAEDAQE/AZqmNTH/xAAXEQADAQAAAAAAAAAAAAAAAAABAhAS/9oACAECAQE/AQ+p/8QAFBABAAAAAAAAAAAAAAAAAAAAIP/aAAgBAQAGPwJf/8QAFxABAQEBAAAAAAAAAAAAAAAAAGFRcf/aAAgBAQABPyGSbhkZkn//2gAMAwEAAgADAAAAEPgP/8QAFhEAAwAAAAAAAAAAAAAAAAAAARAR/9oACAEDAQE/EAIr/8QAFxEBAAMAAAAAAAAAAAAAAAAAAAERMf/aAAgBAgEBPxCXSn//xAAYEAADAQEAAAAAAAAAAAAAAAAAITEQYf/aAAgBAQABPxCIjlWUUU4T/9k=',
  ),
  grey: base64(
    '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYVpQYEpRUk//wAALCAALABEBAREA/8QAFgABAQEAAAAAAAAAAAAAAAAABAUG/8QAHxAAAQMEAwEAAAAAAAAAAAAAAAMEIgEFITETFVJi/9oACAEBAAA/AMw1s2olhrZNQG9H8D2iSeIULjRFPEKD+FPxQ//Z',
  ),
  /** As `colour`, with an EXIF orientation of 6: to be turned by 90° to the right. */
  turned: base64(
    '/9j/4AAQSkZJRgABAQAAAQABAAD/4QAiRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//wAARCAALABEDASIAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAABQYA/8QAHxAAAQMEAwEAAAAAAAAAAAAAAAMEIgEFITETFVJi/8QAFwEAAwEAAAAAAAAAAAAAAAAAAgMFBv/EABsRAAIDAAMAAAAAAAAAAAAAAAADAQURAhUx/9oADAMBAAIRAxEAPwCYa2bURhrZNQHGiSeIUHGiKeIUI3F8s9E1toyMJTo/gxdcKfihg8NF2rD/2Q==',
  ),
  cmyk: base64(
    '/9j/7gAOQWRvYmUAZAAAAAAA/9sAQwAoHB4jHhkoIyEjLSsoMDxkQTw3Nzx7WF1JZJGAmZaPgIyKoLTmw6Cq2q2KjMj/y9ru9f///5vB////+v/m/f/4/8AAFAgACwARBEMRAE0RAFkRAEsRAP/EABgAAAMBAQAAAAAAAAAAAAAAAAAEBQMG/8QAHhAAAQIHAQAAAAAAAAAAAAAAAAECAwQSFEFRYRH/2gAOBEMATQBZAEsAAD8AQlcCtjwkNb6WSxK4Cx4atge4AdCx4aWvAOalcF2hukMoIFiVwFDdIUILU0A6FDdIMUpoD//Z',
  ),
} as const;

describe('decoding a JPEG', () => {
  const pillow = [
    ['colour', [17, 11, 3], 'f463c772beaa60e297db02629471ae8ed9d08b90cf423da6c3c85ff2aae60e02'],
    ['progressive', [17, 11, 3], 'f463c772beaa60e297db02629471ae8ed9d08b90cf423da6c3c85ff2aae60e02'],
    ['grey', [17, 11, 1], 'cc64cad63f38cbe124c9e19caa33fd412eb67b1d864734c9dcb4a440105b4a2a'],
    ['turned', [11, 17, 3], 'e5c76183452fac5a9a548010334cab42db0562027c765af1cc9bd8edfc06dfb9'],
  ] as const;
  for (const [name, shape, sha256] of pillow) {
    it(`gives Pillow's pixels of one that is ${name}`, async () => {
      const { width, height, channels, data } = await decodeImage(jpegs[name], plenty);
      assert.deepEqual([width, height, channels], shape);
      assert.equal(createHash('sha256').update(data).digest('hex'), sha256);
    });
  }

  it('goes on after an image that the decoder gave up on', async () => {
    const broken = Buffer.concat([jpegs.grey.subarray(0, 160), Buffer.from([0xff, 0xd9])]);
    const exitCode = process.exitCode;
    for (let time = 0; time < 3; time++) await assert.rejects(decodeImage(broken, plenty));
    assert.deepEqual((await decodeImage(jpegs.grey, plenty)).width, 17);
    assert.equal(process.exitCode, exitCode);
  });

  it('takes bytes between two segments for harmless, as no pixel is missing', async () => {
    const scan = jpegs.colour.indexOf(Buffer.from([0xff, 0xda]));
    const padded = Buffer.concat([jpegs.colour.subarray(0, -2), Buffer.from([0, 0, 0xff, 0xd9])]);
    assert.ok(scan > 0);
    assert.deepEqual(await pixelsOf(padded), await pixelsOf(jpegs.colour));
  });

  it('says which decoder it is, for what is kept of its pixels', () => {
    assert.match(imageDecoders(), /^png \d+, jpeg [0-9a-f]{64}$/);
  });
});

describe('decoding a PNG', () => {
  const grey = (depth: number, rows: readonly (readonly number[])[], width: number, chunks: readonly Buffer[] = []) =>
    pngFile({ width, height: rows.length, depth, colourType: 0, rows, chunks });

  it('gives the pixels of an 8-bit image, grey or in colour', async () => {
    const shape = shapeOf(1, 1);
    assert.deepEqual(await decodeImage(pngOfImage(shape), plenty), shape);
    assert.deepEqual(await pixelsOf(grey(8, [[1, 2, 3]], 3)), [1, 2, 3]);
  });

  it('spreads 1, 2 and 4 bits over 0 to 255, rows beginning at a byte', async () => {
    assert.deepEqual(await pixelsOf(grey(1, [[0b10100000], [0b01000000]], 3)), [255, 0, 255, 0, 255, 0]);
    assert.deepEqual(await pixelsOf(grey(2, [[0b00011011, 0b10000000]], 5)), [0, 85, 170, 255, 170]);
    assert.deepEqual(await pixelsOf(grey(4, [[0x0f, 0x80]], 3)), [0, 255, 136]);
  });

  it('rounds 16 bits to 8', async () => {
    // 257 times a level is that level; half of 257 more rounds up
    const sample = (value: number) => [value >> 8, value & 255];
    const row = [0, 257 * 7 + 128, 257 * 7 + 129, 65_535].flatMap(sample);
    assert.deepEqual(await pixelsOf(grey(16, [row], 4)), [0, 7, 8, 255]);
  });

  it('looks colours up in the palette, packed or not, transparent ones on white', async () => {
    const palette = pngChunk('PLTE', Uint8Array.of(10, 20, 30, 200, 100, 0, 7, 7, 7));
    const kind = { width: 3, height: 1, colourType: 3 };
    const plain = pngFile({ ...kind, depth: 2, rows: [[0b00011000]], chunks: [palette] });
    assert.deepEqual(await pixelsOf(plain), [10, 20, 30, 200, 100, 0, 7, 7, 7]);
    const transparency = pngChunk('tRNS', Uint8Array.of(0, 51));
    const chunks = [palette, transparency];
    const seen = await pixelsOf(pngFile({ ...kind, depth: 8, rows: [[0, 1, 2]], chunks }));
    assert.deepEqual(seen, [255, 255, 255, 244, 224, 204, 7, 7, 7]);
  });

  it('lays alpha on white', async () => {
    const withAlpha = pngFile({ width: 2, height: 1, depth: 8, colourType: 6, rows: [[100, 0, 255, 51, 1, 2, 3, 0]] });
    assert.deepEqual(await pixelsOf(withAlpha), [224, 204, 255, 255, 255, 255]);
    const greyAlpha = pngFile({ width: 2, height: 1, depth: 8, colourType: 4, rows: [[0, 255, 0, 51]] });
    assert.deepEqual(await pixelsOf(greyAlpha), [0, 204]);
    const oneLevel = grey(4, [[0x05]], 2, [pngChunk('tRNS', Uint8Array.of(0, 5))]);
    assert.deepEqual(await pixelsOf(oneLevel), [0, 255]);
  });

  it('reads an interlaced image', async () => {
    // 2 × 2: pass 1 has the first pixel, pass 6 the one to its right, pass 7 the second row
    const rows = [[11], [22], [33, 44]];
    const interlaced = pngFile({ width: 2, height: 2, depth: 8, colourType: 0, rows, isInterlaced: true });
    assert.deepEqual(await pixelsOf(interlaced), [11, 22, 33, 44]);
  });

  it('ignores texts and colour profiles, also broken ones', async () => {
    const chunks = [pngChunk('iCCP', Buffer.from('x\0\0broken')), pngChunk('tEXt', Buffer.from('no separator'))];
    assert.deepEqual(await pixelsOf(grey(8, [[9]], 1, chunks)), [9]);
  });
});

describe('refusing an image', () => {
  const whole = pngOfImage(shapeOf(0, 0));
  const flipped = Buffer.from(whole);
  flipped[flipped.length - 40]! ^= 0xff;
  const wrongSum = Buffer.from(pngOfImage(shapeOf(0, 1)));
  wrongSum[29]! ^= 0xff;
  const longer = pngFile({ width: 1, height: 1, depth: 8, colourType: 0, rows: [[1], [2]] });
  const shorter = pngFile({ width: 1, height: 2, depth: 8, colourType: 0, rows: [[1]] });
  const kind = { width: 1, height: 1, rows: [[0]] };
  const huge = Buffer.from(jpegs.colour);
  const frame = huge.indexOf(Buffer.from([0xff, 0xc0]));
  huge.writeUInt16BE(60_000, frame + 5);
  huge.writeUInt16BE(60_000, frame + 7);
  const garbled = Buffer.from(jpegs.colour);
  garbled.fill(0xa5, garbled.length - 60, garbled.length - 30);

  const refusals: readonly (readonly [what: string, file: Uint8Array, message: RegExp])[] = [
    ['of another kind', Buffer.from('GIF89a, and so on'), /^it is neither a PNG nor a JPEG$/],
    ['that is empty', new Uint8Array(0), /^it is neither a PNG nor a JPEG$/],
    ['whose PNG is cut off', whole.subarray(0, -20), /^it is cut off$/],
    ['whose PNG ends after its signature', whole.subarray(0, 8), /^it is cut off$/],
    ['with changed pixels', flipped, /pixels|checksum|CRC/i],
    ['with a wrong checksum', wrongSum, /CRC/],
    ['with more pixels than its size says', longer, /^its pixels cannot be unpacked/],
    ['with fewer pixels than its size says', shorter, /^its pixels are cut off$/],
    ['without a palette', pngFile({ ...kind, depth: 8, colourType: 3 }), /^its palette is missing$/],
    [
      'with a colour type that PNG does not have',
      pngFile({ ...kind, depth: 8, colourType: 5 }),
      /^colour type 5; accepted/,
    ],
    [
      'interlaced with few bits',
      pngFile({ ...kind, depth: 1, colourType: 0, isInterlaced: true }),
      /^interlaced with 1 bits a sample; accepted: 8 and 16$/,
    ],
    ['of no pixel', pngFile({ ...kind, width: 0, depth: 8, colourType: 0 }), /^it measures 0 × 1 pixels; accepted/],
    [
      'of too many pixels in a PNG',
      pngFile({ ...kind, width: 100_000, height: 100_000, depth: 8, colourType: 0 }),
      /^it measures 100000 × 100000 pixels; accepted: 1 to 10,000 pixels$/,
    ],
    ['of too many pixels in a JPEG', huge, /^it measures 60000 × 60000 pixels; accepted: 1 to 10,000 pixels$/],
    ['whose JPEG is cut off', jpegs.colour.subarray(0, -40), /Premature end of JPEG file/],
    ['whose JPEG has no header', Buffer.from([0xff, 0xd8, 0xff, 0xd9, 0, 0]), /^its header is missing$/],
    ['whose JPEG is garbled', garbled, /Corrupt JPEG data/],
    ['in CMYK', jpegs.cmyk, /^it has 4 colour components, as in CMYK; accepted: 1 \(grey\) and 3 \(colour\)$/],
  ];
  for (const [what, file, message] of refusals) {
    it(`refuses one ${what}`, async () => {
      await assert.rejects(decodeImage(file, plenty), { message });
    });
  }

  it('takes what the encoder of the same library writes, near the pixels that went in', async () => {
    const shape = shapeOf(2, 0);
    const { width, height, data } = await decodeImage(await jpegOfImage(shape, 95), plenty);
    assert.deepEqual([width, height], [shape.width, shape.height]);
    const mean = [...data].reduce((sum, level, at) => sum + Math.abs(level - shape.data[at]!), 0) / data.length;
    // noise of ±40 that chroma subsampling smooths
    assert.ok(mean < 20, `differs by ${mean} on average`);
  });
});
