// `npm run dashboards`: writes deploy/grafana/dashboards from the sources beside this file.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../shared/wire.ts';
import { generateDashboards } from './boards.ts';

for (const [file, text] of generateDashboards()) {
  writeFileSync(join(packageRoot, 'deploy', 'grafana', 'dashboards', file), text);
  console.log(`deploy/grafana/dashboards/${file}`);
}
