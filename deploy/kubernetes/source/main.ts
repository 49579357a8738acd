// `npm run manifests`: writes deploy/kubernetes/base, deploy/kubernetes/overlays and
// deploy/helm/metatrain from the sources in this folder.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../../shared/wire.ts';
import { generatedFiles, generatedFolders } from './generated.ts';

for (const folder of generatedFolders) rmSync(join(packageRoot, folder), { recursive: true, force: true });
for (const [path, content] of generatedFiles()) {
  const file = join(packageRoot, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}
console.log(generatedFolders.join('\n'));
