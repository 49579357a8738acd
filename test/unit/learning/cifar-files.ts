// Writes a tiny archive in the format of CIFAR-100's binary version: all 100 classes and 20
// superclasses by their names, a few dark random images of each class, of which one in `train.bin`
// each and the others in `test.bin`.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { cifar100Files } from '../../../learning/tasks/cifar-100-files.ts';
import { taskRng } from '../../../shared/rng.ts';

export interface CifarOptions {
  readonly classes: readonly string[];
  readonly superclasses: readonly string[];
  /** Images of each class. */
  readonly images: number;
  /** Changes a file of the archive. */
  readonly change?: (name: string, content: Buffer) => Buffer;
}

/** Class number i is of superclass ⌊i / 5⌋. @returns the archive's path. */
export function writeCifar100(directory: string, options: CifarOptions): string {
  const { classes, superclasses, images, change = (_, content) => content } = options;
  const records = (from: number, to: number): Buffer =>
    Buffer.concat(
      classes.flatMap((_, label) =>
        Array.from({ length: to - from }, (_, i) =>
          Buffer.from([Math.floor(label / 5), label, ...pixelsOf(label, from + i)]),
        ),
      ),
    );
  const files = {
    'coarse_label_names.txt': Buffer.from(`${superclasses.join('\n')}\n`),
    'fine_label_names.txt': Buffer.from(`${classes.join('\n')}\n`),
    'test.bin': records(1, images),
    'train.bin': records(0, 1),
  };
  const path = join(directory, cifar100Files.name, cifar100Files.files[0]!.file);
  mkdirSync(dirname(path), { recursive: true });
  const entries = Object.entries(files).map(([name, content]) =>
    tarEntry(`cifar-100-binary/${name}`, change(name, content)),
  );
  writeFileSync(
    path,
    gzipSync(Buffer.concat([tarEntry('cifar-100-binary/', Buffer.alloc(0), '5'), ...entries, Buffer.alloc(1024)])),
  );
  return path;
}

/** All red, then all green, then all blue, each row by row. */
export function pixelsOf(label: number, example: number): Uint8Array {
  const rng = taskRng(label, 'test image', example);
  return Uint8Array.from({ length: 3072 }, () => rng.below(40));
}

export function tarEntry(name: string, content: Buffer, type = '0'): Buffer {
  const header = Buffer.alloc(512);
  const octal = (value: number, at: number, length: number) =>
    header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  header.write(name, 0, 'latin1');
  octal(0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(content.length, 124, 12);
  octal(0, 136, 12);
  header.write('        ', 148, 'latin1');
  header.write(type, 156, 'latin1');
  header.write('ustar\0', 257, 'latin1');
  octal(
    header.reduce((sum, byte) => sum + byte, 0),
    148,
    7,
  );
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}
