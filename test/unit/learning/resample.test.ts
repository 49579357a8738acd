// Resizing by name, against Pillow's bytes for the same image, and the two changes of colour.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { type FilterName, filterNames, resize, toColour, toGrey } from '../../../learning/tasks/resample.ts';
import type { Image } from '../../../learning/tasks.ts';

const [width, height] = [50, 37];

/** In NumPy: np.stack([(x*x + 3*x*y + 5*y) % 251, (7*x + y*y) % 256, (x*y // 3) % 256], -1).astype(np.uint8), y and x from np.mgrid[0:37, 0:50]. */
const pattern: Image = {
  width,
  height,
  channels: 3,
  data: Uint8Array.from(
    Array.from({ length: width * height }, (_, pixel) => [pixel % width, Math.floor(pixel / width)] as const).flatMap(
      ([x, y]) => [(x * x + 3 * x * y + 5 * y) % 251, (7 * x + y * y) % 256, Math.floor((x * y) / 3) % 256],
    ),
  ),
};

const sha256 = ({ data }: Image) => createHash('sha256').update(data).digest('hex');

/** Smaller, larger, only narrower, and smaller in grey: SHA-256 of the bytes that Pillow 13.0 gives. */
const pillow: Readonly<Record<FilterName, readonly [smaller: string, larger: string, narrower: string, grey: string]>> =
  {
    box: [
      '6d9affcd90a14b99ecec8edc3ba747f1c63230003f820af2e400ed25fc315738',
      '205774af0515d44b542f68c12857e49616b98c94b17f2ab59207a0af402da04a',
      '9672894fe480d19a93b131c122e68181266d22be641654a9e759284e5012f83a',
      '7a00eb93e28f8bf22f15d52fffbd9d2845917472627ecf090c64f0f8cc77fc6f',
    ],
    bilinear: [
      '9629b66aa1384278b95cf9e9d0b60f639c7b4d5d3c10e5c6e180e4331deeb9e0',
      '95622294a0815dc35c7d9a6f7b42cd2126b337a25ea06a8d6c544dc69d769eb4',
      'be8f408046c182271cf684fe36525b4f09c39ab93689a8f8a3bfe3ea62969957',
      'c43bc9e776e4b557e442ec92ec121e8ac886298ce243dbe65c6235dd5c698723',
    ],
    hamming: [
      '1ce52b3db2e2e3b4023050e3f5e47c54481a265138c21047eca733010358f639',
      'b9a734ad1f28f946c145b688027fb1f83231f35332d71b1ba43b205c86b8ac82',
      '0331d5c07fc1d2ae673f6b4f1e803f30ed366b5bafc7feaa40d9628e937af5a3',
      'ae6b5d95d07bb2f9c00ad800b700064d3c5cbc5813560930bd73146cba427928',
    ],
    bicubic: [
      '6ebbb3349ede084bd666f26e786de080c838e84b933524d97e5c1c4dc238c8d0',
      '6962a331b6de066327f36a442b59552efa2fef12aa72fef15ad67aa773187391',
      'de2b815d9fb4dd1156f9979c48fbca414424a56b4827a984a77c43647f7d1eb9',
      '7076731f54f34bb6bff607b87ae8b719b426c183df51387a531520d2879f44b9',
    ],
    lanczos: [
      '94ce679d79d24d5f94f4ad05f947201c15890fe54641c3c6f7ea75767013783b',
      'ce1bc13d8efd81ca695d60ee12cbfc06d054d17541f7829bb3168155d162b7a7',
      'c18011e0f4f8d36801ba4d0b154bb7c9c8d34883648fa0536430529e8a75e3d0',
      '2a077d7464ac365a483d4b557acc9455798750f5cd9fb6007883f98548ec642c',
    ],
  };

describe('resizing an image', () => {
  for (const filter of filterNames) {
    it(`gives Pillow's bytes with ${filter}, smaller, larger, narrower and in grey`, () => {
      assert.deepEqual(
        [
          resize(pattern, [16, 20], filter),
          resize(pattern, [60, 64], filter),
          resize(pattern, [37, 20], filter),
          resize(toGrey(pattern), [16, 20], filter),
        ].map(sha256),
        pillow[filter],
      );
    });

    it(`keeps an even level with ${filter}`, () => {
      const even: Image = { width: 13, height: 9, channels: 1, data: new Uint8Array(13 * 9).fill(77) };
      for (const size of [
        [4, 4],
        [30, 5],
      ] as const) {
        assert.deepEqual(new Set(resize(even, size, filter).data), new Set([77]));
      }
    });
  }

  it('leaves an image of the wanted size as it is', () => {
    assert.equal(resize(pattern, [height, width], 'lanczos'), pattern);
  });
});

describe('changing the channels', () => {
  it('makes a grey image three equal channels and back', () => {
    const grey = toGrey(pattern);
    assert.deepEqual([grey.channels, grey.data.length], [1, width * height]);
    const colour = toColour(grey);
    assert.deepEqual([...colour.data.subarray(0, 6)], [0, 0, 0, grey.data[1], grey.data[1], grey.data[1]]);
    assert.deepEqual(Buffer.from(toGrey(colour).data), Buffer.from(grey.data));
  });

  it('leaves an image that has the wanted channels as it is', () => {
    assert.equal(toColour(pattern), pattern);
    const grey = toGrey(pattern);
    assert.equal(toGrey(grey), grey);
  });
});
