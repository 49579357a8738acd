// Reaches a coordinator inside a Kubernetes cluster: finds its Service by our labels and forwards a
// port of this machine to it, both by kubectl, which knows every kind of kubeconfig and credential.
// When kubectl ends early (the pod was replaced), it is started again on the same port, so that a
// client finds the coordinator again.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { realClock } from '../../shared/clock.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { excerpt } from '../../shared/foreign-text.ts';
import type { Environment } from './local-cluster.ts';

export interface ForwardOptions {
  /** A context of the kubeconfig. */
  readonly context: string;
  /** Default: the context's own, then every namespace. */
  readonly namespace?: string | undefined;
}

export interface Forward {
  /** HOST:PORT on this machine. */
  readonly address: string;
  /** Names that the coordinator's certificate may have. */
  readonly serverNames: readonly string[];
  /** Ends kubectl. May be called twice. */
  close(): Promise<void>;
}

interface Dependencies {
  readonly environment: Environment;
  readonly signal: AbortSignal;
}

interface Service {
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: {
    readonly clusterIP?: string;
    readonly ports?: readonly { readonly name?: string; readonly port: number }[];
  };
}

const labels = 'app.kubernetes.io/name=metatrain,app.kubernetes.io/component=coordinator';
const readyWithinMs = 20_000;
const restartAfterMs = 500;

/**
 * @throws MetatrainError `REQUEST_INVALID` where kubectl, the context or the service is missing, or there are several services;
 *   `NOT_READY` with kubectl's message where it fails; or the signal's reason.
 */
export async function forwardToCoordinator(options: ForwardOptions, dependencies: Dependencies): Promise<Forward> {
  const { metadata, spec } = await findService(options, dependencies);
  const { name, namespace } = metadata;
  const port = grpcPort(spec)!;
  const forwarding = new Forwarding(
    ['--context', options.context, '--namespace', namespace, 'port-forward', '--address', '127.0.0.1'],
    { target: `service/${name}`, port, environment: childEnvironment(dependencies.environment) },
  );
  let localPort: number;
  try {
    localPort = await forwarding.start(dependencies.signal);
  } catch (thrown) {
    await forwarding.close();
    throw thrown;
  }
  const local = `${name}.${namespace}`;
  const serverNames = [`${local}.svc`, `${local}.svc.cluster.local`, local, name, 'localhost'];
  return { address: `127.0.0.1:${localPort}`, serverNames, close: () => forwarding.close() };
}

async function findService({ context, namespace }: ForwardOptions, dependencies: Dependencies): Promise<Service> {
  const list = async (where: readonly string[]): Promise<Service[]> => {
    const text = await kubectl(
      ['--context', context, ...where, 'get', 'services', '-l', labels, '-o', 'json', '--request-timeout=15s'],
      { context, dependencies },
    );
    const { items } = JSON.parse(text) as { readonly items: readonly Service[] };
    // The headless service of the StatefulSet has the same labels.
    return items.filter(({ spec }) => spec.clusterIP !== 'None' && grpcPort(spec) !== undefined);
  };
  let found = await list(namespace === undefined ? [] : ['--namespace', namespace]);
  if (found.length === 0 && namespace === undefined) found = await list(['--all-namespaces']);
  const [service] = found;
  const where = namespace === undefined ? `of the context ${context}` : `in the namespace ${namespace} of ${context}`;
  if (!service) {
    const hint = namespace === undefined ? '' : '; without --namespace, every namespace is searched';
    throw invalid(`--context: there is no coordinator ${where}: no service has the labels ${labels}${hint}`);
  }
  if (found.length === 1) return service;
  const names = found.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).sort();
  const namespaces = new Set(found.map(({ metadata }) => metadata.namespace));
  const remedy =
    namespaces.size === found.length
      ? 'choose one with --namespace'
      : 'forward a port to one of them with kubectl port-forward, and give --coordinator 127.0.0.1:PORT';
  throw invalid(`--context: there are ${found.length} coordinators ${where}: ${names.join(', ')}; ${remedy}`);
}

/** By its name; by its usual number where nothing is named. */
function grpcPort({ ports = [] }: Service['spec']): number | undefined {
  return (ports.find(({ name }) => name === 'grpc') ?? ports.find(({ port }) => port === 7420))?.port;
}

/** kubectl's stdout. */
function kubectl(
  args: readonly string[],
  { context, dependencies }: { readonly context: string; readonly dependencies: Dependencies },
): Promise<string> {
  const { signal, environment } = dependencies;
  return new Promise((resolve, reject) => {
    const options = { env: childEnvironment(environment), signal, maxBuffer: 2 ** 26 };
    execFile('kubectl', [...args], options, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      if (signal.aborted) return reject(signal.reason);
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return reject(kubectlMissing());
      if (!/context was not found|context .* does not exist/.test(stderr)) return reject(kubectlFailed(stderr, error));
      contextNames(environment, signal).then((names) => {
        const accepted = names.length > 0 ? names.join(', ') : 'none, since the kubeconfig has no context';
        reject(invalid(`--context: got ${JSON.stringify(context)}; accepted: ${accepted}`));
      }, reject);
    });
  });
}

function contextNames(environment: Environment, signal: AbortSignal): Promise<string[]> {
  return new Promise((resolve) => {
    const options = { env: childEnvironment(environment), signal };
    execFile('kubectl', ['config', 'get-contexts', '-o', 'name'], options, (_, stdout) =>
      resolve(stdout.split('\n').filter((line) => line !== '')),
    );
  });
}

/** Our variables may hold a token, which kubectl has no use for. */
const childEnvironment = (environment: Environment): Environment =>
  Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('METATRAIN_')));

const kubectlMissing = () =>
  invalid('--context: there is no kubectl in PATH; install it, or give --coordinator HOST:PORT instead');

function kubectlFailed(stderr: string, cause?: unknown): MetatrainError {
  const lines = stderr.split('\n').filter((line) => line.trim() !== '');
  const said = (lines.at(-1) ?? 'it said nothing').replace(/^error: /i, '');
  return new MetatrainError('NOT_READY', `--context: kubectl failed: ${excerpt(said, 500)}`, { cause });
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** `kubectl port-forward`, started again whenever it ends, until it is closed. */
class Forwarding {
  readonly #args: readonly string[];
  readonly #target: string;
  readonly #port: number;
  readonly #environment: Environment;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  /** 0: kubectl takes a free one. */
  #localPort = 0;
  #isClosed = false;
  #cancelRestart: () => void = () => {};

  constructor(
    args: readonly string[],
    {
      target,
      port,
      environment,
    }: { readonly target: string; readonly port: number; readonly environment: Environment },
  ) {
    this.#args = args;
    this.#target = target;
    this.#port = port;
    this.#environment = environment;
  }

  /** The port on this machine, once kubectl listens there. */
  start(signal: AbortSignal): Promise<number> {
    const ports = this.#localPort === 0 ? `:${this.#port}` : `${this.#localPort}:${this.#port}`;
    // In our own process group: Ctrl-C and the end of the terminal end it too.
    const child = spawn('kubectl', [...this.#args, this.#target, ports], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: this.#environment,
    });
    this.#child = child;
    running.add(child);
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-4_096);
    });
    return new Promise((resolve, reject) => {
      const stopWaiting = realClock.after(readyWithinMs, () => {
        reject(kubectlFailed(`kubectl port-forward was not ready within ${readyWithinMs / 1_000} s`));
      });
      const onAbort = () => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      const settle = () => {
        stopWaiting();
        signal.removeEventListener('abort', onAbort);
      };
      createInterface({ input: child.stdout }).on('line', (line) => {
        const port = /^Forwarding from 127\.0\.0\.1:(\d+) /.exec(line)?.[1];
        if (port === undefined) return;
        this.#localPort = Number(port);
        settle();
        resolve(this.#localPort);
      });
      child.once('error', (error: NodeJS.ErrnoException) => {
        reject(error.code === 'ENOENT' ? kubectlMissing() : error);
      });
      this.#exited = new Promise((ended) => {
        child.once('close', () => {
          running.delete(child);
          settle();
          // Does nothing where kubectl was ready.
          reject(kubectlFailed(stderr));
          if (this.#localPort !== 0) this.#restart(signal);
          ended();
        });
      });
    });
  }

  #restart(signal: AbortSignal): void {
    if (this.#isClosed || signal.aborted) return;
    // A failure is another end, and so another start.
    this.#cancelRestart = realClock.after(restartAfterMs, () => void this.start(signal).catch(() => {}));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelRestart();
    this.#child?.kill('SIGTERM');
    await this.#exited;
  }
}

const invalid = (message: string) => new MetatrainError('REQUEST_INVALID', message);
