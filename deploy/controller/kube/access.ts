// The address of the API server and the credentials for it, from a kubeconfig or from the files that
// every pod has. Files are read again when they change, since the tokens of service accounts last an
// hour. A kubeconfig that needs a credential plugin is refused.
import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse } from 'yaml';
import { asMetatrainError, MetatrainError } from '../../../shared/errors.ts';
import { readNamedFile } from '../../../shared/named-file.ts';

export interface KubeAccess {
  readonly server: URL;
  /** The namespace of the context or of the pod; `default` where neither names one. */
  readonly namespace: string;
  /** For each request anew: files may have changed. */
  readonly credentials: () => KubeCredentials;
}

export interface KubeCredentials {
  readonly token?: string;
  readonly tls: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly servername?: string;
    readonly rejectUnauthorized?: boolean;
  };
}

/** A text, perhaps from a file that may change. */
type Source = () => string | undefined;

const serviceAccountDirectory = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * Access from within a pod.
 *
 * @param host, port of the environment variables KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT.
 * @throws MetatrainError `REQUEST_INVALID` outside of a pod.
 */
export function inClusterAccess(
  host: string | undefined,
  port: string | undefined,
  directory: string = serviceAccountDirectory,
): KubeAccess {
  if (!host || !port) {
    throw invalid('this process runs in no pod (KUBERNETES_SERVICE_HOST is not set): give --kubeconfig FILE');
  }
  const token = changingFile(`${directory}/token`);
  const ca = changingFile(`${directory}/ca.crt`);
  const read = () => ({ token: required(token(), `${directory}/token`), tls: { ca: required(ca(), directory) } });
  read();
  return {
    server: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`),
    namespace: changingFile(`${directory}/namespace`)()?.trim() || 'default',
    credentials: read,
  };
}

interface Kubeconfig {
  readonly 'current-context'?: string;
  readonly contexts?: readonly { readonly name: string; readonly context: Fields }[];
  readonly clusters?: readonly { readonly name: string; readonly cluster: Fields }[];
  readonly users?: readonly { readonly name: string; readonly user?: Fields | null }[];
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * The current context of a kubeconfig. Paths in it are relative to it.
 *
 * @throws MetatrainError `REQUEST_INVALID` naming the file and what is missing in it.
 */
export function kubeconfigAccess(file: string): KubeAccess {
  const text = readNamedFile('--kubeconfig', file).toString('utf8');
  const config = parseKubeconfig(text, file);
  const name = config['current-context'] ?? '';
  const context = config.contexts?.find((each) => each.name === name)?.context;
  if (!context) throw invalid(`--kubeconfig: ${file} has no context ${JSON.stringify(name)} (current-context)`);
  const cluster = config.clusters?.find((each) => each.name === context.cluster)?.cluster;
  if (!cluster) throw invalid(`--kubeconfig: ${file} has no cluster ${JSON.stringify(context.cluster)}`);
  const user = config.users?.find((each) => each.name === context.user)?.user ?? {};
  for (const plugin of ['exec', 'auth-provider', 'username']) {
    if (user[plugin] === undefined) continue;
    throw invalid(
      `--kubeconfig: ${file}: got a user with ${plugin}; accepted: token, tokenFile, or client-certificate and client-key`,
    );
  }
  const directory = dirname(resolve(file));
  const material = (fields: Fields, field: string) => dataOrFile(fields, field, directory);
  const ca = material(cluster, 'certificate-authority');
  const cert = material(user, 'client-certificate');
  const key = material(user, 'client-key');
  const token = tokenSource(user, directory);
  const servername = cluster['tls-server-name'];
  const read = (): KubeCredentials => ({
    ...defined('token', token()?.trim()),
    tls: {
      ...defined('ca', ca()),
      ...defined('cert', cert()),
      ...defined('key', key()),
      ...defined('servername', typeof servername === 'string' ? servername : undefined),
      ...(cluster['insecure-skip-tls-verify'] === true && { rejectUnauthorized: false }),
    },
  });
  read();
  return { server: serverOf(cluster, file), namespace: String(context.namespace ?? 'default'), credentials: read };
}

function parseKubeconfig(text: string, file: string): Kubeconfig {
  let config: unknown;
  try {
    config = parse(text);
  } catch (cause) {
    throw invalid(`--kubeconfig: ${file} is no YAML: ${asMetatrainError(cause).message}`);
  }
  if (typeof config === 'object' && config !== null && 'clusters' in config) return config as Kubeconfig;
  throw invalid(`--kubeconfig: ${file} is no kubeconfig: it has no clusters`);
}

function serverOf({ server }: Fields, file: string): URL {
  const text = String(server ?? '');
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return new URL(text);
  throw invalid(`--kubeconfig: ${file}: server: got ${JSON.stringify(server)}; accepted: an https address`);
}

function dataOrFile(fields: Fields, field: string, directory: string): Source {
  const data = fields[`${field}-data`];
  if (typeof data === 'string') {
    const text = Buffer.from(data, 'base64').toString('utf8');
    return () => text;
  }
  const path = fields[field];
  return typeof path === 'string' ? namedFile(field, resolve(directory, path)) : () => undefined;
}

function tokenSource({ token, tokenFile }: Fields, directory: string): Source {
  if (typeof tokenFile === 'string') return namedFile('tokenFile', resolve(directory, tokenFile));
  return () => (typeof token === 'string' ? token : undefined);
}

function namedFile(field: string, file: string): Source {
  const read = changingFile(file);
  return () => required(read(), `${field}: ${file}`);
}

function required(text: string | undefined, what: string): string {
  if (text !== undefined) return text;
  throw invalid(`the credentials for Kubernetes: ${what} cannot be read`);
}

/** The file's text, read again when the file has changed or, as kubelets do it, was replaced. */
export function changingFile(file: string): Source {
  let known: { readonly mark: string; readonly text: string } | undefined;
  return () => {
    try {
      const { ino, mtimeMs, size } = statSync(file);
      const mark = `${ino} ${mtimeMs} ${size}`;
      if (known?.mark !== mark) known = { mark, text: readFileSync(file, 'utf8') };
    } catch {
      // The kubelet may be replacing it; the earlier text stays valid for a while.
    }
    return known?.text;
  };
}

const defined = <Name extends string>(name: Name, value: string | undefined): { [key in Name]?: string } =>
  (value === undefined ? {} : { [name]: value }) as { [key in Name]?: string };

const invalid = (message: string) => new MetatrainError('REQUEST_INVALID', message);
