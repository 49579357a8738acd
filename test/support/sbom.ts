// The list of packages in an image, compared with what is installed there.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Packages that compute with tensors. */
export const engines = /^(@tensorflow\/|onnxruntime)/;

/** `name@version` of each npm package of a CycloneDX list, sorted. */
export function billedPackages(text: string): string[] {
  const bill = JSON.parse(text) as {
    readonly bomFormat: string;
    readonly components: readonly { readonly name: string; readonly version: string; readonly purl: string }[];
  };
  if (bill.bomFormat !== 'CycloneDX') throw new Error(`bomFormat: got ${bill.bomFormat}`);
  const packages = bill.components.filter(({ purl }) => purl.startsWith('pkg:npm/'));
  // npm leaves the scope out of `name`, never out of the address.
  const names = packages.map(({ purl }) => decodeURIComponent(purl.slice('pkg:npm/'.length).split('?')[0]!));
  return [...new Set(names)].sort();
}

/** `name@version` of each package below node_modules, at any depth, sorted. */
export function installedPackages(app: string): string[] {
  const found = new Set<string>();
  const visit = (folder: string) => {
    const modules = join(folder, 'node_modules');
    if (!existsSync(modules)) return;
    for (const entry of readdirSync(modules)) {
      const names = entry.startsWith('@')
        ? readdirSync(join(modules, entry)).map((name) => join(entry, name))
        : [entry];
      for (const name of names) {
        const { version } = JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8')) as {
          version: string;
        };
        found.add(`${name}@${version}`);
        visit(join(modules, name));
      }
    }
  };
  visit(app);
  return [...found].sort();
}
