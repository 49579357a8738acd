// `npm run docs:parts`: writes docs/parts.md, the built-in parts by kind.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const built = (file) => import(join(root, 'dist', file));
const { listParts } = await built('learning/listing.js');
const { builtIn } = await built('learning/registry.js');
const { partsPage } = await built('client/cli/render/parts.js');
writeFileSync(join(root, 'docs', 'parts.md'), partsPage(listParts(builtIn)));
