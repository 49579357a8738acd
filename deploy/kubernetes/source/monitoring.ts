// For the Prometheus operator and Grafana's sidecar: what is scraped, the alerts of
// deploy/prometheus unchanged, and the dashboards.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { packageRoot } from '../../../shared/wire.ts';
import { allPods, fullName, metadata, nameOf, selectorOf } from './names.ts';
import { choose, Expression, type Json, type Node, text, verbatim, when } from './nodes.ts';
import { hasTls, hasTokens, tlsSecret, tokensSecret } from './pods.ts';
import { setting } from './values.ts';

const own = (path: string) => setting(`metrics.${path}`);
const rulesFile = join(packageRoot, 'deploy', 'prometheus', 'rules', 'metatrain.yml');
const dashboardsFolder = join(packageRoot, 'deploy', 'grafana', 'dashboards');

/** File → its content, as deploy/grafana has them. */
export const dashboards: ReadonlyMap<string, string> = new Map(
  readdirSync(dashboardsFolder)
    .sort()
    .map((file) => [file, readFileSync(join(dashboardsFolder, file), 'utf8')]),
);

const rules = parse(readFileSync(rulesFile, 'utf8')) as Json;

export const monitoringObjects: readonly Node[] = [
  when(own('serviceMonitor.enabled'), {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'ServiceMonitor',
    metadata: metadata(nameOf('coordinator'), 'coordinator', { moreLabels: 'metrics.serviceMonitor.additionalLabels' }),
    spec: {
      selector: { matchLabels: selectorOf('coordinator') },
      endpoints: [
        {
          port: 'http',
          path: '/metrics',
          interval: own('serviceMonitor.interval'),
          scheme: choose(hasTls, 'https', 'http'),
          tlsConfig: when(hasTls, {
            ca: { secret: { name: tlsSecret, key: 'ca.crt' } },
            serverName: nameOf('coordinator'),
          }),
          authorization: when(hasTokens, {
            type: 'Bearer',
            credentials: { name: tokensSecret, key: 'prometheus-token' },
          }),
        },
      ],
    },
  }),
  when(own('podMonitor.enabled'), {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PodMonitor',
    metadata: metadata(fullName, undefined, { moreLabels: 'metrics.podMonitor.additionalLabels' }),
    spec: {
      jobLabel: 'app.kubernetes.io/component',
      selector: {
        matchLabels: allPods,
        matchExpressions: [{ key: 'app.kubernetes.io/component', operator: 'In', values: ['worker', 'controller'] }],
      },
      podMetricsEndpoints: [{ port: 'http', path: '/metrics', interval: own('podMonitor.interval') }],
    },
  }),
  when(own('prometheusRule.enabled'), {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: metadata(fullName, undefined, { moreLabels: 'metrics.prometheusRule.additionalLabels' }),
    spec: verbatim(rules),
  }),
  ...[...dashboards].map(([file, content]) => dashboard(file, content)),
];

function dashboard(file: string, content: string): Node {
  const title = file.replace('.json', '');
  return when(own('dashboards.enabled'), {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: metadata(text`${fullName}-dashboard-${new Expression(() => title, `"${title}"`)}`, undefined, {
      moreLabels: 'metrics.dashboards.labels',
      moreAnnotations: 'metrics.dashboards.annotations',
    }),
    data: { [file]: new Expression(() => content, `.Files.Get "dashboards/${file}"`) },
  });
}
