// The figures that can be reproduced: a file each in examples/published, with the job that makes
// it, how long that takes, and a quick version with a gate of its own.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { MetatrainError } from '../../shared/errors.ts';
import { type Reproduction, reproductionSchema } from '../../shared/reproduction.ts';
import { packageRoot } from '../../shared/wire.ts';

const folder = join(packageRoot, 'examples', 'published');

export interface Published extends Reproduction {
  readonly name: string;
  /** Path of the job file. */
  readonly file: string;
}

const nameOf = (file: string): string => file.replace(/\.yaml$/, '');

export const publishedNames = (): string[] =>
  readdirSync(folder)
    .filter((file) => file.endsWith('.yaml'))
    .map(nameOf)
    .sort();

/** @throws MetatrainError `REQUEST_INVALID` for a name that there is not. */
export function readPublished(name: string): Published {
  const names = publishedNames();
  if (!names.includes(name)) {
    throw new MetatrainError('REQUEST_INVALID', `name: got "${name}"; accepted: ${names.join(', ')}`);
  }
  const read = reproductionSchema.parse(parse(readFileSync(join(folder, `${name}.yaml`), 'utf8')));
  return { ...read, name, file: join(folder, read.job) };
}
