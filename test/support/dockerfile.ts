// Reads deploy/docker/Dockerfile: its stages, their instructions, and the files that they copy from
// the project. Knows the part of the language that this file uses: no heredocs, no escapes.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

export interface Instruction {
  /** In capitals, such as COPY. */
  readonly name: string;
  /** The rest of the line, lines joined. */
  readonly text: string;
}

export interface Stage {
  readonly name: string;
  /** An image, or the name of a stage above, with ARGs filled in by their defaults. */
  readonly from: string;
  readonly instructions: readonly Instruction[];
}

export interface Dockerfile {
  /** The ARGs before the first stage. */
  readonly args: Readonly<Record<string, string>>;
  readonly stages: readonly Stage[];
}

export function parseDockerfile(text: string): Dockerfile {
  const lines = text.split('\n').filter((line) => !/^\s*(#|$)/.test(line));
  const joined = lines.join('\n').replaceAll(/\\\n\s*/g, '');
  const args: Record<string, string> = {};
  const stages: { name: string; from: string; instructions: Instruction[] }[] = [];
  for (const line of joined.split('\n')) {
    const [, name = '', rest = ''] = /^([A-Z]+) +(.*)$/.exec(line) ?? [];
    if (name === '') throw new Error(`not an instruction: ${line}`);
    if (name === 'FROM') {
      const [, from = '', stage = ''] = /^(\S+) AS (\S+)$/.exec(rest) ?? [];
      const filled = from.replaceAll(/\$\{(\w+)\}/g, (_, key: string) => args[key] ?? '');
      stages.push({ name: stage, from: filled, instructions: [] });
    } else if (stages.length > 0) {
      stages.at(-1)!.instructions.push({ name, text: rest });
    } else {
      const [, key = '', value = ''] = /^(\w+)=(.*)$/.exec(rest) ?? [];
      args[key] = value;
    }
  }
  return { args, stages };
}

/** What a stage copies from the project: paths relative to its root. */
export function copiedFromProject({ instructions }: Stage): string[] {
  const copies = instructions.filter(({ name, text }) => /^(COPY|ADD)$/.test(name) && !text.startsWith('--from='));
  return copies.flatMap(({ text }) => text.split(' ').slice(0, -1));
}

/** A stage and all stages that it is made from. */
export function stagesOf({ stages }: Dockerfile, target: string): Stage[] {
  const found = new Set<Stage>();
  const pending = [target];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    const stage = stages.find((candidate) => candidate.name === name);
    if (stage === undefined || found.has(stage)) continue;
    found.add(stage);
    pending.push(stage.from);
    for (const { text } of stage.instructions) {
      const [, from] = /^--from=(\S+)/.exec(text) ?? [];
      if (from !== undefined) pending.push(from);
    }
  }
  return [...found];
}

/** The files below a path, each relative to `root`, in one order on every machine. */
export function filesBelow(root: string, path: string): string[] {
  if (statSync(join(root, path)).isFile()) return [path];
  return readdirSync(join(root, path))
    .sort()
    .flatMap((name) => filesBelow(root, join(path, name)));
}

export const readDockerfile = (root: string): Dockerfile =>
  parseDockerfile(readFileSync(join(root, 'deploy', 'docker', 'Dockerfile'), 'utf8'));
