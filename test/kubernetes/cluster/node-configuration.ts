// The configuration of containerd, kubelet, kube-proxy and CoreDNS on the node.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kubeconfigOf } from './control-plane.ts';
import type { Network } from './network.ts';
import type { Runtime } from './runtime.ts';

export const nodeName = 'node-1';

export interface ConfigurationOptions {
  readonly folder: string;
  readonly network: Network;
  /** URL of the API server. */
  readonly server: string;
  /** Where containerd listens. */
  readonly socket: string;
  /** The control group of all pods. */
  readonly group: string;
  readonly pauseImage: string;
}

/** Writes the files that the node's programs read into `folder`/node. */
export function writeConfigurations(runtime: Runtime, options: ConfigurationOptions): void {
  const { folder, network, server, socket, group, pauseImage } = options;
  const at = (name: string) => join(folder, 'node', name);
  mkdirSync(at('cni'), { recursive: true });
  writeFileSync(
    at('containerd.toml'),
    `version = 2
root = "${at('containerd')}"
state = "/run/containerd"
[grpc]
  address = "${socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${pauseImage}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "${runtime.plugins}"
    conf_dir = "${at('cni')}"
`,
  );
  const ranges = [[{ subnet: network.pods, gateway: network.gateway }]];
  const bridge = {
    type: 'bridge',
    bridge: 'pods',
    isGateway: true,
    hairpinMode: true,
    ipMasq: false,
    ipam: { type: 'host-local', ranges, routes: [{ dst: '0.0.0.0/0' }], dataDir: '/run/cni' },
  };
  writeFileSync(at('cni/10-bridge.conflist'), JSON.stringify({ cniVersion: '0.4.0', name: 'pods', plugins: [bridge] }));
  writeFileSync(at('resolv.conf'), 'nameserver 127.0.0.1\n');
  const kubelet = {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: false },
      x509: { clientCAFile: join(folder, 'authority.pem') },
    },
    authorization: { mode: 'AlwaysAllow' },
    containerRuntimeEndpoint: `unix://${socket}`,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: `/${group}`,
    failCgroupV1: false,
    failSwapOn: false,
    healthzPort: 0,
    readOnlyPort: 0,
    enforceNodeAllocatable: [],
    evictionHard: { 'memory.available': '64Mi' },
    // Images cannot be pulled again here, so none is ever collected.
    imageGCHighThresholdPercent: 100,
    makeIPTablesUtilChains: false,
    volumePluginDir: at('plugins'),
    podLogsDir: at('pod-logs'),
    clusterDNS: [network.serviceOfDns],
    clusterDomain: 'cluster.local',
    resolvConf: at('resolv.conf'),
    // A pod's end is seen at once, and a crashed container comes back within seconds.
    crashLoopBackOff: { maxContainerRestartPeriod: '5s' },
  };
  writeFileSync(at('kubelet.yaml'), JSON.stringify(kubelet));
  const proxy = {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    clientConnection: { kubeconfig: kubeconfigOf(folder) },
    clusterCIDR: network.pods,
    hostnameOverride: nodeName,
    conntrack: { maxPerCore: 0 },
  };
  writeFileSync(at('kube-proxy.yaml'), JSON.stringify(proxy));
  writeFileSync(
    at('Corefile'),
    `.:53 {
  bind ${network.node}
  kubernetes cluster.local in-addr.arpa {
    kubeconfig ${kubeconfigOf(folder)}
    endpoint ${server}
  }
  cache 5
}
`,
  );
}

/** CoreDNS runs on the node itself, behind the Service whose address pods ask. */
export function dnsService({ serviceOfDns, node }: Network): string {
  const labels = { 'kubernetes.io/service-name': 'kube-dns' };
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'kube-dns', namespace: 'kube-system' },
    spec: {
      clusterIP: serviceOfDns,
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP' },
        { name: 'dns-tcp', port: 53, protocol: 'TCP' },
      ],
    },
  };
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'kube-dns', namespace: 'kube-system', labels },
    addressType: 'IPv4',
    endpoints: [{ addresses: [node] }],
    ports: [
      { name: 'dns', port: 53, protocol: 'UDP' },
      { name: 'dns-tcp', port: 53, protocol: 'TCP' },
    ],
  };
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [service, slice] });
}
