// docs/job-file.md: every field of the job file that belongs to no part, from its JSON Schema. Pure.
import type { JsonSchema } from '../../../learning/json-schema.ts';
import { acceptedWords } from '../../../learning/listing.ts';
import { sectionPaths } from '../../../learning/sections.ts';

/** Sections whose fields are those of a part. */
const ofParts: readonly string[] = Object.values(sectionPaths);

interface Row {
  readonly path: string;
  readonly schema: JsonSchema;
  readonly isRequired: boolean;
}

function rowsOf(schema: JsonSchema, path = ''): Row[] {
  return Object.entries(fieldsOf(schema)).flatMap(([name, field]) => {
    const own = path === '' ? name : `${path}.${name}`;
    const isRequired = schema.required?.includes(name) ?? false;
    return [{ path: own, schema: field, isRequired }, ...(isOpened(own, field) ? rowsOf(field, own) : [])];
  });
}

/**
 * Of an object, or of all objects among which it is chosen: the field that chooses takes all of its names.
 */
function fieldsOf({ properties = {}, oneOf = [], anyOf = [] }: JsonSchema): Record<string, JsonSchema> {
  const fields: Record<string, JsonSchema> = {};
  for (const choice of [...oneOf, ...anyOf].map(fieldsOf)) {
    for (const [name, field] of Object.entries(choice)) {
      const values = [fields[name], field].flatMap((one) => one?.enum ?? (one?.const === undefined ? [] : [one.const]));
      const { const: _, ...others } = field;
      fields[name] = values.length > 0 ? { ...others, enum: [...new Set(values)] } : field;
    }
  }
  return { ...fields, ...properties };
}

const isOpened = (path: string, field: JsonSchema): boolean =>
  !ofParts.includes(path) && path !== 'evaluation.task' && Object.keys(fieldsOf(field)).length > 0;

function describeRow({ path, schema, isRequired }: Row): string {
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
  const isSection = ofParts.includes(path) || path === 'evaluation.task';
  const { description: _, ...bare } = schema;
  const accepted = isSection
    ? 'a part with its [fields](parts.md)'
    : isOpened(path, schema)
      ? 'a section'
      : cell(acceptedWords(bare));
  return `| \`${path}\`${isRequired ? ', required' : ''} | ${accepted} | ${cell(schema.description ?? '')} |`;
}

export function jobFilePage(schema: JsonSchema): string {
  return `# The job file

Every field of a job file. The fields of its parts (\`${ofParts.join('`, `')}\`) are in [parts.md](parts.md);
\`metatrain jobs show ID\` prints a job's file with every default. \`npm run docs:job-file\` writes this page and the schema.

The JSON Schema lets an editor complete and check a job file while it is written. \`metatrain schema\` prints
it, with the parts of plugins too (\`--plugin FILE\`); \`GET /api/v1/schema\` of a coordinator serves the one of its own
parts; [examples/job-file.schema.json](../examples/job-file.schema.json) is the one of the built-in parts. The
first line of a job file names it, as in the examples:

    # yaml-language-server: $schema=job-file.schema.json

\`metatrain validate JOB.yaml\` checks all that a coordinator checks, also what fields say together.

| field | accepts | |
|---|---|---|
${rowsOf(schema).map(describeRow).join('\n')}
`;
}
