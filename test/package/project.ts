// An empty project, as somebody has it who installs us: its own Node, its own npm, no settings of ours.
// Removed when the test ends.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Project {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'metatrain-project-'));
  readonly #environment: NodeJS.ProcessEnv;
  readonly #npm: string;
  readonly #running = new Set<ChildProcess>();

  /** @param node the binary; @param npm the folder of npm's package */
  constructor(node: string, npm: string) {
    this.#npm = join(npm, 'bin', 'npm-cli.js');
    this.#environment = { ...withoutOurs(process.env), PATH: `${dirname(node)}${delimiter}${process.env.PATH}` };
    this.write('package.json', JSON.stringify({ name: 'somebody-elses', private: true, type: 'module' }));
  }

  write(name: string, content: string): void {
    writeFileSync(join(this.directory, name), content);
  }

  npm(...args: readonly string[]): Promise<Outcome> {
    return this.run('node', this.#npm, ...args);
  }

  /** The `metatrain` that npx would start. */
  metatrain(...args: readonly string[]): Promise<Outcome> {
    return this.run(join('node_modules', '.bin', 'metatrain'), ...args);
  }

  async run(program: string, ...args: readonly string[]): Promise<Outcome> {
    const child = this.#start(program, args);
    const ended = once(child, 'close') as Promise<[number | null]>;
    const [stdout, stderr, [status]] = await Promise.all([text(child.stdout!), text(child.stderr!), ended]);
    return { status, stdout, stderr };
  }

  /** Starts a command that goes on, and waits for its first line, which is JSON. */
  async service<Facts>(...args: readonly string[]): Promise<Facts> {
    const child = this.#start(join('node_modules', '.bin', 'metatrain'), args);
    const complaints = text(child.stderr!);
    for await (const line of createInterface({ input: child.stdout! })) return JSON.parse(line) as Facts;
    throw new Error(`metatrain ${args.join(' ')} ended before it was ready: ${await complaints}`);
  }

  async remove(): Promise<void> {
    const running = [...this.#running];
    const ended = running.map((child) => once(child, 'close'));
    for (const child of running) child.kill('SIGTERM');
    await Promise.all(ended);
    rmSync(this.directory, { recursive: true });
  }

  #start(program: string, args: readonly string[]): ChildProcess {
    const child = spawn(program, args, {
      cwd: this.directory,
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#running.add(child);
    child.once('close', () => this.#running.delete(child));
    return child;
  }
}

/** `npm run` hands its settings on to what it starts, those of our .npmrc among them. */
function withoutOurs(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !/^(npm_|METATRAIN_|ONNXRUNTIME_|INIT_CWD$|NODE_PATH$)/i.test(name)),
  );
}
