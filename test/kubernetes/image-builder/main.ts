// `node dist/test/kubernetes/image-builder/main.js`: builds the images of this checkout into the
// cache (METATRAIN_KUBERNETES_CACHE) and prints each with its archive.
import { packageRoot } from '../../../shared/wire.ts';
import { openCache } from '../cluster/cache.ts';
import { buildImages } from '../images.ts';

const images = await buildImages({
  cache: openCache().root,
  root: packageRoot,
  log: (line) => console.error(line),
});
for (const { name, archive, bytes, seconds } of images) {
  console.log(`${name}\t${archive}\t${(bytes / 1e6).toFixed(1)} MB\t${seconds} s`);
}
