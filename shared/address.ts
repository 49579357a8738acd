// HOST:PORT, the form of every address in flags and options.

/**
 * The port is from 0 to 65535; an IPv6 host is in brackets. @returns undefined for any other text.
 */
export function parseAddress(text: string): { readonly host: string; readonly port: number } | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port > 65_535 ? undefined : { host, port };
}

/** Whether a client can connect to it: nothing listens on port 0. */
export const isDestination = (text: string): boolean => (parseAddress(text)?.port ?? 0) > 0;

/** The host of HOST:PORT, an IPv6 address without its brackets. */
export const hostOf = (address: string): string =>
  address.slice(0, address.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
