// What is committed for Kubernetes is what the sources generate, and kustomize is told of all of it.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { parse } from 'yaml';
import { generatedFiles, generatedFolders } from '../../../deploy/kubernetes/source/generated.ts';
import { packageRoot } from '../../../shared/wire.ts';

const generated = generatedFiles();

test('the manifests and the chart are what their sources generate', () => {
  for (const [path, content] of generated) {
    const file = join(packageRoot, path);
    const isFresh = existsSync(file) && readFileSync(file, 'utf8') === content;
    assert.ok(isFresh, `${path} is stale: run npm run manifests and commit the result`);
  }
});

test('generated folders hold nothing else', () => {
  const found = generatedFolders.flatMap((folder) =>
    readdirSync(join(packageRoot, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(packageRoot.length).replace(/^\//, '')),
  );
  assert.deepEqual(found.sort(), [...generated.keys()].sort());
});

interface Kustomization {
  readonly resources: readonly string[];
  readonly patches?: readonly { readonly path: string }[];
  readonly configMapGenerator?: readonly { readonly files: readonly string[] }[];
}

test('each kustomization.yaml names exactly the files beside it, and base', () => {
  const folders = [...generated.keys()].filter((path) => path.endsWith('/kustomization.yaml')).map(dirname);
  assert.ok(folders.length >= 2);
  for (const folder of folders) {
    const {
      resources,
      patches = [],
      configMapGenerator = [],
    } = parse(generated.get(`${folder}/kustomization.yaml`)!) as Kustomization;
    const named = [
      ...resources.filter((resource) => resource !== '../../base'),
      ...patches.map(({ path }) => path),
      ...configMapGenerator.flatMap(({ files }) => files),
    ];
    const present = [...generated.keys()]
      .filter((path) => path.startsWith(`${folder}/`))
      .map((path) => path.slice(folder.length + 1))
      .filter((path) => path !== 'kustomization.yaml');
    assert.deepEqual(named.sort(), present.sort(), folder);
    assert.equal(resources.includes('../../base'), folder.includes('/overlays/'), folder);
  }
});
