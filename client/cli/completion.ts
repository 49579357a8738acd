// `metatrain completion`: a script that completes commands and flags in a shell. Written from the tree
// of commands, so that a new command or flag is in it.
import { Argument, Command } from 'commander';
import type { CommandContext } from './context.ts';
import { addExamples } from './help.ts';

const shells = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof shells)[number];

/** One command: what may stand after it. */
interface Place {
  /** Such as ` jobs list`; empty for `metatrain` itself. */
  readonly path: string;
  readonly commands: readonly { readonly name: string; readonly summary: string }[];
  readonly flags: readonly { readonly name: string; readonly summary: string }[];
  readonly values: readonly string[];
}

export function completionCommand({ terminal }: CommandContext): Command {
  const command: Command = new Command('completion')
    .description('print a script that completes commands and flags in your shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(shells))
    .action((shell: Shell) => terminal.print(completionScript(shell, placesOf(command.parent ?? command))));
  return addExamples(command, [
    ['source <(metatrain completion bash)', 'in ~/.bashrc'],
    ['source <(metatrain completion zsh)', 'in ~/.zshrc, after compinit'],
    ['metatrain completion fish > ~/.config/fish/completions/metatrain.fish', ''],
  ]);
}

function placesOf(command: Command, path = ''): Place[] {
  const shown = command.createHelp();
  const commands = shown.visibleCommands(command);
  const own: Place = {
    path,
    commands: commands.map((child) => ({ name: child.name(), summary: child.description() })),
    flags: shown
      .visibleOptions(command)
      .flatMap(({ long, description }) => (long ? [{ name: long, summary: description }] : [])),
    values: command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
  };
  return [own, ...command.commands.flatMap((child) => placesOf(child, `${path} ${child.name()}`))];
}

function completionScript(shell: Shell, places: readonly Place[]): string {
  switch (shell) {
    case 'bash':
      return bashScript(places);
    case 'zsh':
      return `autoload -U +X bashcompinit && bashcompinit\n${bashScript(places)}`;
    case 'fish':
      return fishScript(places);
    default:
      return shell satisfies never;
  }
}

const wordsOf = ({ commands, flags, values }: Place): string =>
  [...[...commands, ...flags].map(({ name }) => name), ...values].join(' ');

/** Where nothing of ours fits, files are completed. */
function bashScript(places: readonly Place[]): string {
  const paths = places.slice(1).map(({ path }) => `'${path}'`);
  return [
    '_metatrain() {',
    `  local word path='' words=''`,
    `  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do`,
    `    case "$path $word" in ${paths.join('|')}) path="$path $word" ;; esac`,
    '  done',
    '  case "$path" in',
    ...places.map((place) => `    '${place.path}') words='${wordsOf(place)}' ;;`),
    '  esac',
    `  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))`,
    '}',
    'complete -o default -F _metatrain metatrain',
  ].join('\n');
}

function fishScript(places: readonly Place[]): string {
  const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = places.flatMap(({ path, commands, flags, values }) => {
    const here = `complete -c metatrain -n ${quoted(`__metatrain_at ${quoted(path)}`)}`;
    return [
      ...commands.map(({ name, summary }) => `${here} -a ${quoted(name)} -d ${quoted(summary)}`),
      ...flags.map(({ name, summary }) => `${here} -l ${name.slice(2)} -d ${quoted(summary)}`),
      ...values.map((value) => `${here} -a ${quoted(value)}`),
    ];
  });
  return [
    'function __metatrain_at',
    "  set -l path ''",
    '  for word in (commandline -opc)[2..]',
    '    switch "$path $word"',
    `      case ${places
      .slice(1)
      .map(({ path }) => quoted(path))
      .join(' ')}`,
    '        set path "$path $word"',
    '    end',
    '  end',
    '  test "$path" = "$argv[1]"',
    'end',
    ...lines,
  ].join('\n');
}
