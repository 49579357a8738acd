// The coordinator's certificate by cert-manager: from an issuer of the cluster, or from an authority
// of this installation's own.
import { fullName, metadata, nameOf, namespace } from './names.ts';
import { and, choose, dict, type Expression, type Node, not, text, when } from './nodes.ts';
import { hasTls, tlsSecret } from './pods.ts';
import { setting } from './values.ts';

const own = (path: string) => setting(`security.tls.certManager.${path}`);
const isOn = and(hasTls, own('enabled'), not(setting('security.tls.existingSecret')));
const hasIssuer = own('issuerRef');
const isOwnAuthority = and(isOn, not(hasIssuer));
const service = nameOf('coordinator');
const authority = text`${fullName}-authority`;
const apiVersion = 'cert-manager.io/v1';

const issuer = (name: Expression, spec: Node): Node =>
  when(isOwnAuthority, { apiVersion, kind: 'Issuer', metadata: metadata(name, undefined), spec });

export const certificateObjects: readonly Node[] = [
  issuer(text`${fullName}-self-signed`, { selfSigned: {} }),
  when(isOwnAuthority, {
    apiVersion,
    kind: 'Certificate',
    metadata: metadata(authority, undefined),
    spec: {
      isCA: true,
      commonName: authority,
      secretName: authority,
      duration: '87600h',
      privateKey: { algorithm: 'ECDSA', size: 256 },
      issuerRef: { name: text`${fullName}-self-signed`, kind: 'Issuer', group: 'cert-manager.io' },
    },
  }),
  issuer(authority, { ca: { secretName: authority } }),
  when(isOn, {
    apiVersion,
    kind: 'Certificate',
    metadata: metadata(service, 'coordinator'),
    spec: {
      secretName: tlsSecret,
      duration: own('duration'),
      renewBefore: own('renewBefore'),
      privateKey: { algorithm: 'ECDSA', size: 256, rotationPolicy: 'Always' },
      usages: ['digital signature', 'server auth'],
      dnsNames: [
        service,
        text`${service}.${namespace}`,
        text`${service}.${namespace}.svc`,
        text`${service}.${namespace}.svc.cluster.local`,
        'localhost',
      ],
      ipAddresses: ['127.0.0.1'],
      issuerRef: choose(hasIssuer, own('issuerRef'), ownIssuer()),
    },
  }),
];

function ownIssuer(): Expression {
  return dict([
    ['name', authority],
    ['kind', 'Issuer'],
    ['group', 'cert-manager.io'],
  ]);
}
