// The form of help texts: examples below the options, the same form for every command.
import type { Command } from 'commander';
import { table } from './render/text.ts';

export function addExamples(command: Command, examples: readonly (readonly [line: string, what: string])[]): Command {
  const rows = table([{ title: '' }, { title: '' }], examples, undefined, 2)
    .split('\n')
    .slice(1)
    .join('\n');
  return command.addHelpText('after', `\nExamples:\n${rows}`);
}
