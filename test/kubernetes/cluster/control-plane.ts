// etcd, the API server, the controller manager and the scheduler as processes of this machine. The
// API server has a certificate of its own authority and one administrator with a random token.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { certifyClient, certifyServer, makeAuthority } from '../../../client/certificates.ts';
import { delay } from '../../../shared/clock.ts';
import type { Cache } from './cache.ts';
import type { Processes } from './processes.ts';
import { runProgram } from './processes.ts';
import { kubectlOf } from './programs.ts';

export interface ControlPlaneOptions {
  /** Everything that the cluster writes. */
  readonly folder: string;
  /** Where the API server listens. Pods reach it there too, so loopback will do only without a node. */
  readonly address: string;
  /** Of the API server; etcd takes the next two on loopback. */
  readonly port: number;
  /** The Services' addresses, for example 10.97.0.0/24. */
  readonly serviceRange: string;
  /** The first address of that range, which is the API server's inside the cluster. */
  readonly serviceAddress: string;
}

const patienceMs = 120_000;

export const kubeconfigOf = (folder: string): string => join(folder, 'kubeconfig');

/** Starts the four and waits until the API server is ready. Writes `kubeconfig` into the folder. */
export async function startControlPlane(
  cache: Cache,
  processes: Processes,
  options: ControlPlaneOptions,
): Promise<void> {
  const { folder, address, port } = options;
  const at = (name: string) => join(folder, name);
  const server = `https://${address}:${port}`;
  await writeIdentities(folder, [address, '127.0.0.1', 'localhost', options.serviceAddress, ...serviceNames]);
  const token = randomBytes(16).toString('hex');
  writeFileSync(at('tokens.csv'), `${token},admin,admin,system:masters\n`, { mode: 0o600 });
  writeFileSync(at('audit-policy.yaml'), auditPolicy);
  writeKubeconfig(kubeconfigOf(folder), server, readFileSync(at('authority.pem'), 'base64'), token);

  const etcd = `http://127.0.0.1:${port + 1}`;
  processes.start('etcd', {
    program: join(cache.bin, 'etcd'),
    args: [
      ...['--data-dir', at('etcd')],
      ...['--listen-client-urls', etcd, '--advertise-client-urls', etcd],
      ...['--listen-peer-urls', `http://127.0.0.1:${port + 2}`],
      ...['--initial-advertise-peer-urls', `http://127.0.0.1:${port + 2}`],
      ...['--initial-cluster', `default=http://127.0.0.1:${port + 2}`],
      // A cluster of tests loses nothing that anybody needs.
      ...['--unsafe-no-fsync', '--log-level', 'warn'],
    ],
  });
  startApiServer(cache, processes, options);
  await untilReady(cache, processes, folder);
  const kubeconfig = ['--kubeconfig', kubeconfigOf(folder), '--leader-elect=false', '--secure-port=0'];
  processes.start('kube-controller-manager', {
    program: join(cache.bin, 'kube-controller-manager'),
    args: [
      ...kubeconfig,
      `--service-account-private-key-file=${at('service-accounts.pem')}`,
      `--root-ca-file=${at('authority.pem')}`,
      // A simulated or real node that is gone is noticed within seconds.
      '--node-monitor-grace-period=20s',
    ],
  });
  processes.start('kube-scheduler', { program: join(cache.bin, 'kube-scheduler'), args: kubeconfig });
}

/** Also after it was stopped, on the same data. */
export function startApiServer(cache: Cache, processes: Processes, options: ControlPlaneOptions): void {
  const { folder, address, port } = options;
  const at = (name: string) => join(folder, name);
  processes.start('kube-apiserver', {
    program: join(cache.bin, 'kube-apiserver'),
    args: [
      `--etcd-servers=http://127.0.0.1:${port + 1}`,
      `--secure-port=${port}`,
      `--bind-address=${address}`,
      ...(address.startsWith('127.') ? [] : [`--advertise-address=${address}`]),
      `--tls-cert-file=${at('server.pem')}`,
      `--tls-private-key-file=${at('server-key.pem')}`,
      `--cert-dir=${at('certificates')}`,
      `--kubelet-client-certificate=${at('client.pem')}`,
      `--kubelet-client-key=${at('client-key.pem')}`,
      '--kubelet-preferred-address-types=InternalIP',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${at('service-accounts-public.pem')}`,
      `--service-account-signing-key-file=${at('service-accounts.pem')}`,
      `--service-cluster-ip-range=${options.serviceRange}`,
      '--authorization-mode=RBAC',
      `--token-auth-file=${at('tokens.csv')}`,
      `--audit-policy-file=${at('audit-policy.yaml')}`,
      `--audit-log-path=${at('audit.log')}`,
    ],
  });
}

/** @throws with the end of the API server's log. */
export async function untilReady(cache: Cache, processes: Processes, folder: string): Promise<void> {
  const givenUpAt = performance.now() + patienceMs;
  for (;;) {
    try {
      runProgram(kubectlOf(cache), ['--kubeconfig', kubeconfigOf(folder), 'get', '--raw', '/readyz']);
      return;
    } catch (cause) {
      const hasEnded = ['etcd', 'kube-apiserver'].find((name) => processes.pidOf(name) === undefined);
      if (hasEnded) throw new Error(`${hasEnded} ended:\n${processes.tailOf(hasEnded)}`, { cause });
      if (performance.now() > givenUpAt) {
        throw new Error(`the API server is not ready:\n${processes.tailOf('kube-apiserver')}`, { cause });
      }
      await delay(200);
    }
  }
}

const serviceNames = [
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
];

/** What service accounts ask for, which tests compare with their roles. */
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    userGroups: ["system:serviceaccounts"]
  - level: None
`;

async function writeIdentities(folder: string, hosts: readonly string[]): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text, { mode: 0o600 });
  const day = 86_400_000;
  const validity = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + 30 * day) };
  const authority = await makeAuthority('metatrain test cluster', validity);
  const server = await certifyServer(authority, hosts, validity);
  const client = await certifyClient(authority, validity);
  write('authority.pem', authority.certificate);
  write('server.pem', server.certificate);
  write('server-key.pem', server.key);
  write('client.pem', client.certificate);
  write('client-key.pem', client.key);
  const accounts = generateKeyPairSync('rsa', { modulusLength: 2048 });
  write('service-accounts.pem', accounts.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
  write('service-accounts-public.pem', accounts.publicKey.export({ type: 'spki', format: 'pem' }).toString());
}

function writeKubeconfig(file: string, server: string, authority: string, token: string): void {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'metatrain-test', cluster: { server, 'certificate-authority-data': authority } }],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'metatrain-test', context: { cluster: 'metatrain-test', user: 'admin' } }],
    'current-context': 'metatrain-test',
  };
  writeFileSync(file, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
}
