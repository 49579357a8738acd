// The dashboards and alert rules in deploy/, read as Grafana and Prometheus read them.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { packageRoot } from '../../shared/wire.ts';

export const dashboardsDirectory: string = join(packageRoot, 'deploy', 'grafana', 'dashboards');
export const rulesFile: string = join(packageRoot, 'deploy', 'prometheus', 'rules', 'metatrain.yml');
export const ruleTestsFile: string = join(packageRoot, 'deploy', 'prometheus', 'tests', 'metatrain.yml');

export interface PanelQuery {
  /** Such as `cluster.json, Goodput`. */
  readonly where: string;
  readonly expression: string;
}

interface PanelJson {
  readonly title: string;
  readonly description?: string;
  readonly targets?: readonly { readonly expr: string }[];
  readonly panels?: readonly PanelJson[];
}

interface DashboardJson {
  readonly panels: readonly PanelJson[];
  readonly templating: { readonly list: readonly { readonly type: string; readonly query: string }[] };
}

const dashboards = (): [file: string, dashboard: DashboardJson][] =>
  readdirSync(dashboardsDirectory).map((file) => [
    file,
    JSON.parse(readFileSync(join(dashboardsDirectory, file), 'utf8')) as DashboardJson,
  ]);

export function panelsOf(): { readonly file: string; readonly panel: PanelJson }[] {
  return dashboards().flatMap(([file, { panels }]) =>
    panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]).map((panel) => ({ file, panel })),
  );
}

export const panelQueries = (): PanelQuery[] =>
  panelsOf().flatMap(({ file, panel }) =>
    (panel.targets ?? []).map(({ expr }) => ({ where: `${file}, ${panel.title}`, expression: expr })),
  );

/** The variables' queries, such as `label_values(metric, label)`. */
export const variableQueries = (): PanelQuery[] =>
  dashboards().flatMap(([file, { templating }]) =>
    templating.list
      .filter(({ type }) => type === 'query')
      .map(({ query }) => ({ where: `${file}, a variable`, expression: query })),
  );

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string };
}

export const alertRules = (): AlertRule[] =>
  (parse(readFileSync(rulesFile, 'utf8')) as { groups: { rules: AlertRule[] }[] }).groups.flatMap(({ rules }) => rules);

/**
 * The names of metrics in an expression (ours, and those of the process), without the suffixes of a
 * histogram and without labels.
 */
export function metricsIn(expression: string): string[] {
  const named = expression.replace(/\{[^}]*\}|"[^"]*"/g, '').match(/\b(metatrain|process|nodejs)_[a-z0-9_]+/g) ?? [];
  return [...new Set(named)];
}
