// The addresses of a cluster: Services, pods, and the wire between the machine and its node.

/** Addresses of one cluster, all in 10.N.0.0/16, so that several clusters can run side by side. */
export interface Network {
  readonly services: string;
  readonly serviceOfServer: string;
  readonly serviceOfDns: string;
  readonly pods: string;
  readonly gateway: string;
  /** The machine's end of the wire to the node, where the API server listens. */
  readonly machine: string;
  readonly node: string;
}

export const networkOf = (n: number): Network => ({
  services: `10.${n}.0.0/24`,
  serviceOfServer: `10.${n}.0.1`,
  serviceOfDns: `10.${n}.0.10`,
  pods: `10.${n}.1.0/24`,
  gateway: `10.${n}.1.1`,
  machine: `10.${n}.2.1`,
  node: `10.${n}.2.2`,
});
