// Network policies: all traffic of the installation's pods is denied, and each flow that they need
// is allowed by one rule. Probes come from the node, which every policy lets in.
import { allPods, type Component, fullName, metadata, nameOf, ports, selectorOf } from './names.ts';
import { and, Expression, each, type Node, type NodeMap, or, text, when } from './nodes.ts';
import { hasScaler } from './pods.ts';
import { setting } from './values.ts';

const own = (path: string) => setting(`security.networkPolicy.${path}`);
const isOn = own('enabled');
const hasMonitoring = or(setting('metrics.serviceMonitor.enabled'), setting('metrics.podMonitor.enabled'));
const hasNats = setting('nats.enabled');
const hasController = setting('controller.enabled');

const tcp = (...numbers: readonly number[]): Node[] => numbers.map((port) => ({ protocol: 'TCP', port }));
const podsOf = (component: Component): NodeMap => ({ podSelector: { matchLabels: selectorOf(component) } });

interface Flows {
  readonly ingress?: Node;
  readonly egress?: Node;
}

const policy = (component: Component, isThere: Expression, flows: Flows): Node =>
  when(and(isOn, isThere), {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: metadata(nameOf(component), component),
    spec: {
      podSelector: { matchLabels: selectorOf(component) },
      policyTypes: ['Ingress', 'Egress'],
      ...flows,
    },
  });

const always = new Expression(() => true, 'true');
const fromPrometheus = (port: number): Node => ({ from: own('prometheus'), ports: tcp(port) });
const toCoordinator: Node = { to: [podsOf('coordinator')], ports: tcp(ports.grpc) };

export const networkPolicyObjects: readonly Node[] = [
  when(isOn, {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: metadata(text`${fullName}-deny`, undefined),
    spec: {
      podSelector: { matchLabels: allPods },
      policyTypes: ['Ingress', 'Egress'],
      egress: [
        {
          to: own('dns'),
          ports: [
            { protocol: 'UDP', port: 53 },
            { protocol: 'TCP', port: 53 },
          ],
        },
        each(own('extraEgress')),
      ],
    },
  }),
  policy('coordinator', always, {
    ingress: [
      {
        from: [podsOf('worker'), when(hasController, podsOf('controller')), each(own('clients'))],
        ports: tcp(ports.grpc),
      },
      { from: own('clients'), ports: tcp(ports.http) },
      when(setting('gateway.enabled'), { from: own('gateway'), ports: tcp(ports.grpc) }),
      when(hasScaler, { from: own('keda'), ports: tcp(ports.scaler) }),
      when(hasMonitoring, fromPrometheus(ports.http)),
    ],
    egress: when(hasNats, [{ to: [podsOf('nats')], ports: tcp(ports.nats) }]),
  }),
  policy('worker', always, {
    ingress: when(hasMonitoring, [fromPrometheus(ports.http)]),
    egress: [toCoordinator],
  }),
  policy('controller', hasController, {
    ingress: when(hasMonitoring, [fromPrometheus(ports.controllerHttp)]),
    // The API server's address is not known to a policy.
    egress: [toCoordinator, { ports: tcp(443, 6443) }],
  }),
  policy('nats', hasNats, { ingress: [{ from: [podsOf('coordinator')], ports: tcp(ports.nats) }] }),
];
