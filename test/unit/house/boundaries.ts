// The house's boundaries as data, and the checker that reads a source against them: who may import
// whom, which file is a vendor's door, where time, chance and the environment may enter. Knows
// nothing of the disk; a source is its path and its text.

export interface Source {
  /** From the project's root, such as `coordinator/core/step.ts`. */
  readonly path: string;
  readonly text: string;
}

export interface Import {
  readonly specifier: string;
  /** Erased by the compiler: it couples the reader, not the program. */
  readonly isTypeOnly: boolean;
}

/**
 * What files whose path matches `of` may import of ours; every other file of ours is out of bounds
 * for them.
 */
interface Reach {
  readonly of: RegExp;
  readonly mayImport: RegExp;
  readonly because: string;
}

/**
 * The coordinator's rooms, the lowest first, and which of the rooms below each may use. `main`,
 * `runner` and the like stand above the rooms.
 */
const roomsBelow: Readonly<Record<string, readonly string[]>> = {
  access: [],
  store: [],
  requests: ['core'],
  models: ['access', 'requests'],
  workers: ['core', 'requests'],
  'event-bus': ['store'],
  jobs: ['core', 'store'],
  observers: ['core', 'requests', 'store', 'workers'],
  metrics: ['core', 'access', 'requests', 'store', 'workers', 'observers'],
};

/** These serve clients and workers: they use the runner, and the runner knows no service. */
const services = ['rpc', 'http'];

const reaches: readonly Reach[] = [
  { of: /^shared\//, mayImport: /^shared\//, because: 'shared imports nothing of ours' },
  {
    of: /^learning\//,
    mayImport: /^(learning\/|shared\/(?!wire\.ts|gen\/|clock\.ts|log\.ts|proxy\.ts|http|metrics\/|tracing))/,
    because: 'parts know neither network nor engine, and have no clock',
  },
  {
    of: /^coordinator\//,
    mayImport: /^(coordinator|learning|shared)\//,
    because: 'the coordinator knows no worker, no client',
  },
  { of: /^worker\//, mayImport: /^(worker|learning|shared)\//, because: 'a worker knows no coordinator, no client' },
  { of: /^client\//, mayImport: /^(client|learning|shared)\//, because: 'the client knows the contract alone' },
  {
    of: /^deploy\/controller\//,
    // Not the library's index, which reads job files too: that takes a second at each start.
    mayImport: /^(deploy\/controller\/|client\/(metatrain-client|records)\.ts$|shared\/)/,
    because: 'the controller is a client like any other: it uses the library',
  },
  {
    of: /^deploy\/controller\/kube\//,
    mayImport: /^(deploy\/controller\/kube|shared)\//,
    because: 'the Kubernetes client knows no job',
  },
  {
    of: /^deploy\/controller\/(decide|status|conditions|transitions|sighting|resource|worker-pods)\.ts$/,
    mayImport:
      /^(deploy\/controller\/((decide|status|conditions|transitions|sighting|resource)\.ts$|kube\/objects\.ts$)|client\/records\.ts$|shared\/(foreign-text|measures|numbers)\.ts$)/,
    because: 'what is decided and said is pure',
  },
  {
    of: /^worker\/engine\//,
    mayImport: /^(worker\/engine|shared)\//,
    because: 'the engine knows no learning, no network',
  },
  {
    of: /^worker\/engine\/passes\/rules\//,
    mayImport: /^worker\/engine\/(engine\.ts$|graph\/|passes\/(pass\.ts$|rules\/))/,
    because: 'local rules serve both targets, and look at the graph alone',
  },
  {
    of: /^worker\/engine\/passes\/onnx\//,
    mayImport: /^worker\/engine\/(engine\.ts$|graph\/|passes\/(pass\.ts$|rules\/|onnx\/))/,
    because: 'the passes of one target know nothing of the other',
  },
  {
    of: /^worker\/engine\/passes\/fused\//,
    mayImport: /^worker\/engine\/(engine\.ts$|graph\/|passes\/(pass\.ts$|rules\/|fused\/))/,
    because: 'the passes of one target know nothing of the other',
  },
  {
    of: /^worker\/(engine|learning)\//,
    mayImport: /^(worker\/(engine|learning)\/|learning\/|shared\/(?!wire\.ts|gen\/|clock\.ts|log\.ts))/,
    because: 'algorithms, models, tasks and the engine do not know that a network exists, and have no clock',
  },
  {
    of: /^worker\/compute\//,
    mayImport: /^(worker\/(compute|engine|learning)\/|learning\/|shared\/(?!wire\.ts|gen\/))/,
    because: 'compute threads do not know that a network exists',
  },
  {
    of: /^coordinator\/core\//,
    mayImport: /^(coordinator\/core\/|shared\/(errors|pace|passing|plugin-identity|waiting)\.ts$)/,
    because: 'the core decides; it imports errors, containers, words and nothing that acts',
  },
  ...coordinatorRooms(),
  {
    of: /^console\//,
    mayImport:
      /^(console\/|shared\/((axis|cluster-event|comparison|data-identity|http-api|job-charts|measures|numbers|plugin-identity|protocol|waiting)\.ts$|web\/))/,
    because: 'a browser has no Node, and the page knows the HTTP API alone',
  },
];

function coordinatorRooms(): Reach[] {
  const rooms = Object.entries(roomsBelow).map(([room, below]) => ({
    of: new RegExp(`^coordinator/${room}/`),
    mayImport: new RegExp(`^(coordinator/(${[room, ...below].join('|')})|learning|shared)/`),
    because: below.length > 0 ? `${room} uses ${below.join(', ')} and no other room` : `${room} uses no other room`,
  }));
  const aboveRunner = `(main|config|job-requests|model-requests|disk-watch)\\.ts$`;
  return [
    ...rooms,
    ...services.map((service) => ({
      of: new RegExp(`^coordinator/${service}/`),
      mayImport: new RegExp(
        `^(shared/|learning/|coordinator/(${service}|core|access|requests|models|store|workers|jobs|runner)/|coordinator/(job|model)-requests\\.ts$)`,
      ),
      because: `${service} serves: it uses the runner and the requests, and no other service or observer`,
    })),
    {
      of: /^coordinator\/runner\//,
      mayImport: new RegExp(`^(?!coordinator/((${services.join('|')}|metrics|event-bus)/|${aboveRunner}))`),
      because: 'the runner knows nothing of what stands above it: services, requests, the watch of the disk',
    },
  ];
}

/**
 * A package of others, and the only files through which it may come in. A package that is not here
 * has no door.
 */
const doors: readonly (readonly [vendor: RegExp, door: RegExp])[] = [
  [
    /^(@grpc\/|grpc-health-check$)/,
    /^(shared\/((wire|connection)\.ts|gen\/)|coordinator\/rpc\/|worker\/session[a-z-]*\.ts|client\/(?!cli\/))/,
  ],
  [/^(@tensorflow\/|onnxruntime-)/, /^worker\/engine\//],
  [/^protobufjs(\/|$)/, /^(coordinator\/rpc|worker\/engine\/onnx)\//],
  [
    /^hono(\/|$)/,
    /^(shared\/(http-server\.ts|metrics\/routes\.ts)|coordinator\/http\/|worker\/http\/|client\/report\/)/,
  ],
  [/^(lmdb|fs-native-extensions)$/, /^coordinator\/store\//],
  [/^uplot$/, /^shared\/web\//],
  [/^pino(-pretty)?$/, /^shared\/log\.ts$/],
  [/^@opentelemetry\//, /(^|\/)tracing[a-z-]*(\.ts$|\/)/],
  [/^prom-client(\/|$)/, /(^|\/)metrics[a-z-]*(\.ts$|\/)/],
  [/^(nats$|@nats-io\/)/, /(^|\/)event-bus[a-z-]*(\.ts$|\/)/],
  [/^zod$/, /^(shared|learning)\//],
  [/^(@peculiar\/x509|reflect-metadata)$/, /^client\/certificates\.ts$/],
  [/^yaml$/, /^(shared\/job-spec\/yaml\.ts$|client\/(cli|report)\/|deploy\/controller\/kube\/access\.ts$)/],
  [/^commander$/, /(^client\/cli\/|\/config\.ts$)/],
  [/^(yauzl|fast-png|@jsquash\/jpeg(\/.*)?)$/, /^worker\/learning\/files\//],
  [/^node:worker_threads$/, /^(worker\/compute|shared\/http-front)\//],
  // Besides the client's processes: what drivers tell about a device is had by asking their tools.
  [/^node:child_process$/, /^(client\/cli\/|worker\/engine\/devices\.ts$)/],
  [/^node:timers/, /^shared\/clock\.ts$/],
  [/^node:/, /^(?!coordinator\/core\/|console\/|learning\/|shared\/web\/)/],
];

/** What a text may say only in some files. */
const words: readonly (readonly [what: string, pattern: RegExp, allowed: RegExp])[] = [
  [
    'the environment',
    /\bprocess\s*\.\s*env\b|\benv\b[^=]*}\s*=\s*process\b/,
    /((^|\/)config\.ts|^client\/cli\/main\.ts|^shared\/proxy\.ts|^worker\/engine\/onnx\/telemetry\.ts)$/,
  ],
  [
    'real time',
    /\b(Date\.now|performance\.now|hrtime)\b|\bnew Date\(\)|\bDate\(\)|\b(setTimeout|setInterval|setImmediate)\(/,
    // All but the clock measure how long a computation took, for a report and for nothing else.
    /^((shared|console)\/clock|worker\/check|worker\/compute\/serve|worker\/engine\/stopwatch)\.ts$/,
  ],
  [
    'a clock that can be set',
    /\b(realClock|[cC]lock)\.now\b/,
    // Times that are shown or kept, dates that expire, and deadlines as gRPC takes them; durations are
    // measured with `elapsedMs`.
    /^(coordinator\/(main|runner\/[a-z-]+|access\/(server-tls|token-book)|http\/(api|event-streams)|models\/adapted-models|rpc\/(model|worker)-service)|shared\/tracing|client\/(metatrain-client|cli\/(certs|events|report|run-job|token))|deploy\/controller\/(controller|coordinator-link|kube\/leader))\.ts$/,
  ],
  [
    'real chance',
    /\bMath\.random\b|\b(randomBytes|randomUUID|randomInt|getRandomValues)\b/,
    /^(shared\/rng|worker\/engine\/tf\/randomness)\.ts$/,
  ],
  ['the console', /\bconsole\s*\./, /^$/],
  [
    'anything but a decision',
    /\b(async|await|Promise|Date|Math\.random|process|fetch|globalThis)\b/,
    /^(?!coordinator\/core\/)/,
  ],
];

/** The text without comments. A `//` inside a string stays when no space stands before it, as in an address. */
export function withoutComments(text: string): string {
  return text.replace(/^\s*\/\*[\s\S]*?\*\//gm, '').replace(/(^|\s)\/\/.*$/gm, '');
}

/**
 * Every module that a source names: imports, re-exports, dynamic imports, and scripts found by `new
 * URL(…, import.meta.url)`.
 */
export function importsOf(text: string): Import[] {
  const code = withoutComments(text);
  const found: Import[] = [];
  for (const [, type, clause, specifier] of code.matchAll(
    /(?:^|[;}])\s*(?:import|export)\b(\s+type\b)?([^;'"()]*?\bfrom)?\s*['"]([^'"\n]+)['"]/gm,
  )) {
    found.push({ specifier: specifier!, isTypeOnly: type !== undefined || hasOnlyTypes(clause ?? '') });
  }
  for (const [, specifier] of code.matchAll(/\b(?:import|require)\s*\(\s*['"`]([^'"`]+)['"`]/g)) {
    found.push({ specifier: specifier!, isTypeOnly: false });
  }
  return found;
}

/** `{ type A, type B } from`: erased, too. */
function hasOnlyTypes(clause: string): boolean {
  const names = /^\s*\{([^}]*)\}\s*from/.exec(clause)?.[1];
  return (names ?? 'none').split(',').every((name) => /^\s*(type\s|$)/.test(name));
}

/** The path of ours that `specifier` names in a file at `path`; undefined for a package. */
export function resolveImport(path: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  const parts = path.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}

/** What the source does that its place in the house forbids, each in words; empty for a good one. */
export function violationsIn({ path, text }: Source): string[] {
  const violations: string[] = [];
  for (const { specifier, isTypeOnly } of importsOf(text)) {
    const target = resolveImport(path, specifier);
    if (target === undefined) {
      // The parts are written in TensorFlow.js and loaded without it: `tf` comes in through their kit.
      if (isTypeOnly && specifier === '@tensorflow/tfjs' && path.startsWith('learning/')) continue;
      const [, door] = doors.find(([vendor]) => vendor.test(specifier)) ?? [];
      if (!door) violations.push(`imports ${specifier}, which has no door in this table yet`);
      else if (!door.test(path)) violations.push(`imports ${specifier}, whose door is ${door.source}`);
      continue;
    }
    for (const { of, mayImport, because } of reaches) {
      if (of.test(path) && !mayImport.test(target)) violations.push(`imports ${target}: ${because}`);
    }
  }
  const code = withoutComments(text);
  for (const [what, pattern, allowed] of words) {
    const said = pattern.exec(code);
    if (said && !allowed.test(path)) violations.push(`says "${said[0]}": ${what} is not for this file`);
  }
  return violations.map((violation) => `${path} ${violation}`);
}

/**
 * Files that import each other in a ring, the first one found, as `a → b → a`; undefined when there
 * is none.
 */
export function findCycle(sources: readonly Source[]): string | undefined {
  const known = new Set(sources.map(({ path }) => path));
  const targets = new Map(
    sources.map(({ path, text }) => [
      path,
      importsOf(text).flatMap(({ specifier }) => {
        const target = resolveImport(path, specifier);
        return target !== undefined && known.has(target) ? [target] : [];
      }),
    ]),
  );
  const done = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string): string | undefined => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path].join(' → ');
    if (done.has(path)) return undefined;
    trail.push(path);
    for (const target of targets.get(path) ?? []) {
      const cycle = visit(target);
      if (cycle) return cycle;
    }
    trail.pop();
    done.add(path);
    return undefined;
  };
  for (const path of known) {
    const cycle = visit(path);
    if (cycle) return cycle;
  }
  return undefined;
}

/**
 * The sources with each of the coordinator's rooms taken as one: what `findCycle` finds in them is
 * a ring between rooms.
 */
export function asRooms(sources: readonly Source[]): Source[] {
  const texts = new Map<string, string>();
  const roomOf = (path: string) => /^coordinator\/[a-z-]+(?=\/)/.exec(path)?.[0] ?? path;
  for (const { path, text } of sources) {
    const room = roomOf(path);
    const lines = importsOf(text).flatMap(({ specifier }) => {
      const target = resolveImport(path, specifier);
      if (target === undefined || roomOf(target) === room) return [];
      const relative = `${'../'.repeat(room.split('/').length - 1)}${roomOf(target)}`;
      return [`import '${relative.startsWith('.') ? relative : `./${relative}`}';`];
    });
    texts.set(room, [...(texts.get(room)?.split('\n') ?? []), ...lines].join('\n'));
  }
  return [...texts].map(([path, text]) => ({ path, text }));
}

export const maxLines = 500;

/** What is wrong with a file's form: its length, and a head that says what it answers for. */
export function formFaultsIn({ path, text }: Source): string[] {
  const faults: string[] = [];
  const lines = text.split('\n').length - 1;
  if (lines > maxLines) faults.push(`${path} has ${lines} lines; at most ${maxLines}`);
  // A test's names are its claims and its head; a program begins with the line that starts it.
  const first = text.split('\n').find((line) => !line.startsWith('#!'));
  if (!path.endsWith('.test.ts') && !first?.startsWith('//'))
    faults.push(`${path} does not begin by saying what it is for`);
  return faults;
}
