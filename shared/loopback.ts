// Addresses that only this machine can reach. The only loopback name is `localhost`; DNS decides
// about other names.
import { BlockList, isIP } from 'node:net';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** @param host without port; an IPv6 address with or without its brackets. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(bare)?.[1];
  if (mapped !== undefined) return loopback.check(mapped, 'ipv4');
  switch (isIP(bare)) {
    case 4:
      return loopback.check(bare, 'ipv4');
    case 6:
      return loopback.check(bare, 'ipv6');
    default:
      return bare === 'localhost';
  }
}
