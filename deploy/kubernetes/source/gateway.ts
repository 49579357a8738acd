// From outside of the cluster by the Gateway API. TLS ends at the gateway; the coordinator asks for
// tokens and is spoken to in plain HTTP/2.
import { fullName, metadata, nameOf, ports } from './names.ts';
import { and, choose, dict, Expression, type Node, when } from './nodes.ts';
import { setting } from './values.ts';

const own = (path: string) => setting(`gateway.${path}`);
const apiVersion = 'gateway.networking.k8s.io/v1';
const ownParent = new Expression(
  (values) => [dict([['name', fullName]]).valueIn(values)],
  'list (dict "name" (include "metatrain.fullname" .))',
);

export const gatewayObjects: readonly Node[] = [
  when(and(own('enabled'), own('create')), {
    apiVersion,
    kind: 'Gateway',
    metadata: metadata(fullName, undefined, { moreAnnotations: 'gateway.annotations' }),
    spec: {
      gatewayClassName: own('className'),
      listeners: [
        {
          name: 'grpc',
          port: 443,
          protocol: 'HTTPS',
          hostname: own('hostname'),
          tls: { mode: 'Terminate', certificateRefs: [{ name: own('tlsSecret') }] },
          allowedRoutes: { namespaces: { from: 'Same' }, kinds: [{ kind: 'GRPCRoute' }] },
        },
      ],
    },
  }),
  when(own('enabled'), {
    apiVersion,
    kind: 'GRPCRoute',
    metadata: metadata(nameOf('coordinator'), 'coordinator'),
    spec: {
      parentRefs: choose(own('create'), ownParent, own('parentRefs')),
      hostnames: [own('hostname')],
      rules: [{ backendRefs: [{ name: nameOf('coordinator'), port: ports.grpc }] }],
    },
  }),
];
