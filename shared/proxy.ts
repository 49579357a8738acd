// The HTTP proxy between this process and a gRPC server. grpc-js reads the environment's variables
// itself, in lower case only. This file decides when grpc-js must connect directly, and names the
// proxy for error messages. It never shows a proxy's user name or password.
import { BlockList, isIP } from 'node:net';
import { hostOf } from './address.ts';
import { isLoopback } from './loopback.ts';

export interface HttpProxy {
  /** HOST:PORT. */
  readonly address: string;
  /** The environment variable that names it. */
  readonly variable: string;
}

/** As grpc-js reads them: the first one that is set counts. */
const proxyVariables = ['grpc_proxy', 'https_proxy', 'http_proxy'] as const;
const exceptionVariables = ['no_grpc_proxy', 'no_proxy', 'NO_PROXY'] as const;

/** @param address HOST:PORT. @returns undefined where the connection must be direct. */
export function proxyTo(
  address: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): HttpProxy | undefined {
  const host = hostOf(address).toLowerCase();
  if (isLoopback(host)) return undefined;
  const variable = proxyVariables.find((name) => environment[name]);
  const value = variable && environment[variable];
  if (!variable || !value || !URL.canParse(value)) return undefined;
  const { protocol, hostname, port } = new URL(value);
  if (protocol !== 'http:' || isException(host, environment)) return undefined;
  return { address: `${hostname}:${port || '80'}`, variable };
}

function isException(host: string, environment: Readonly<Record<string, string | undefined>>): boolean {
  return exceptionVariables
    .flatMap((name) => (environment[name] ?? '').split(','))
    .map((entry) => entry.trim().toLowerCase())
    .some((entry) => entry !== '' && covers(entry, host));
}

/** `*`, an address range such as 10.0.0.0/8, an address, or the end of a host name, as grpc-js reads it. */
function covers(entry: string, host: string): boolean {
  if (entry === '*') return true;
  const [, network, length] = /^([0-9a-f.:]+)\/(\d{1,3})$/.exec(entry) ?? [];
  if (network === undefined) return host.endsWith(entry.replace(/^\*/, ''));
  const family = isIP(network) === 6 ? 'ipv6' : 'ipv4';
  const longest = family === 'ipv6' ? 128 : 32;
  if (isIP(network) === 0 || isIP(host) !== isIP(network) || Number(length) > longest) return false;
  const range = new BlockList();
  range.addSubnet(network, Number(length), family);
  return range.check(host, family);
}
