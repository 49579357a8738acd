// The parts as text for a terminal, and as the page docs/parts.md. Pure.
import type { FieldListing, PartListing } from '../../../learning/listing.ts';
import { sectionPaths } from '../../../learning/sections.ts';
import { printable } from '../../../shared/foreign-text.ts';
import { describePlugin } from '../../../shared/plugin-identity.ts';
import { plainStyle, type Style } from './text.ts';

const headings = {
  distribution: 'Task distributions',
  model: 'Models',
  algorithm: 'Algorithms',
  objective: 'Objectives',
  optimizer: 'Meta-optimizers',
} as const satisfies Record<PartListing['kind'], string>;

const kinds = Object.keys(headings) as PartListing['kind'][];

/** For example `sgd | adam, default adam`. */
function takes({ accepted, isRequired, ...field }: FieldListing): string {
  if (field.default !== undefined) return `${accepted}, default ${JSON.stringify(field.default, shortNumbers)}`;
  return isRequired ? `${accepted}, required` : accepted;
}

/** π is 3.14159 here. */
const shortNumbers = (_: string, value: unknown) => (typeof value === 'number' ? Number(value.toPrecision(6)) : value);

export function renderParts(parts: readonly PartListing[], style: Style = plainStyle): string {
  const sections = kinds.flatMap((kind) => {
    const own = parts.filter((part) => part.kind === kind);
    return own.length === 0
      ? []
      : [[style.bold(`${headings[kind]} (${sectionPaths[kind]})`), ...own.map(renderPart)].join('\n\n')];
  });
  return sections.join('\n\n');
}

function renderPart({ name, title, summary, paper, plugin, fields }: PartListing): string {
  const width = Math.max(0, ...fields.map((field) => field.name.length));
  const from = plugin ? `${describePlugin(plugin)}, ${plugin.file}` : 'built in';
  return [
    `  ${name}: ${title}`,
    `    ${summary}`,
    ...(paper === '' ? [] : [`    ${paper}`]),
    `    from: ${from}`,
    ...fields.map((field) => `    ${field.name.padEnd(width)}  ${takes(field)}`),
  ]
    .map(printable)
    .join('\n');
}

/** docs/parts.md. */
export function partsPage(parts: readonly PartListing[]): string {
  const cell = (text: string) => text.replaceAll('|', '\\|');
  const tables = kinds.map((kind) => {
    const rows = parts
      .filter((part) => part.kind === kind)
      .map(({ name, title, summary, paper, fields }) => {
        const taken = fields.map((field) => `\`${field.name}\`: ${cell(takes(field))}`).join('<br>');
        return `| \`${name}\` | ${cell(title)}: ${cell(summary)}${paper ? ` (${cell(paper)})` : ''} | ${taken || '–'} |`;
      });
    return [
      `## ${headings[kind]}: \`${sectionPaths[kind]}\``,
      '',
      '| name | what it is | fields |',
      '|---|---|---|',
      ...rows,
    ].join('\n');
  });
  return [
    '# Parts',
    '',
    'The built-in parts, by the section of the job file that names them. `npm run docs:parts` writes this page;',
    '`metatrain parts` prints the same, with the parts of plugins (`--plugin FILE`). How to write one:',
    '[writing-parts.md](writing-parts.md).',
    '',
    tables.join('\n\n'),
    '',
  ].join('\n');
}
