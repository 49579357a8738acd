// `npm run monitoring`: writes deploy/grafana/dashboards from the sources in this folder, and the
// tables of docs/monitoring.md.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../shared/wire.ts';
import { generateDashboards } from './boards.ts';
import { withMetricTables } from './metric-tables.ts';

for (const [file, text] of generateDashboards()) {
  writeFileSync(join(packageRoot, 'deploy', 'grafana', 'dashboards', file), text);
  console.log(`deploy/grafana/dashboards/${file}`);
}
const page = join(packageRoot, 'docs', 'monitoring.md');
writeFileSync(page, withMetricTables(readFileSync(page, 'utf8')));
console.log('docs/monitoring.md');
