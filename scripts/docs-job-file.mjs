// `npm run docs:job-file`: writes docs/job-file.md and examples/job-file.schema.json.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const built = (file) => import(join(root, 'dist', file));
const { jobFileSchema } = await built('learning/json-schema.js');
const { jobFilePage } = await built('client/cli/render/job-file-page.js');
const schema = jobFileSchema();
writeFileSync(join(root, 'docs', 'job-file.md'), jobFilePage(schema));
writeFileSync(join(root, 'examples', 'job-file.schema.json'), `${JSON.stringify(schema)}\n`);
