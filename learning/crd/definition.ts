// The resource MetaTrainJob as a CustomResourceDefinition: `spec.job` is a job file, checked by the
// API server as far as OpenAPI and CEL can say it, and the status is the controller's. Follows from
// a registry, so that a cluster can know the parts of plugins too. See ADR 31.
import { builtIn, type Registry } from '../registry.ts';
import { schemaOf } from '../schema.ts';
import { described, jobDescription } from './descriptions.ts';
import { jobRules, setPaths } from './rules.ts';
import { statusSchema } from './status.ts';
import { type Structural, structuralOf } from './structural.ts';

export const resourceNames = {
  group: 'metatrain.dev',
  version: 'v1alpha1',
  kind: 'MetaTrainJob',
  plural: 'metatrainjobs',
} as const;

export interface CustomResourceDefinition {
  readonly apiVersion: 'apiextensions.k8s.io/v1';
  readonly kind: 'CustomResourceDefinition';
  readonly metadata: { readonly name: string };
  readonly spec: Readonly<Record<string, unknown>> & {
    readonly versions: readonly {
      readonly name: string;
      readonly served: true;
      readonly storage: true;
      readonly schema: { readonly openAPIV3Schema: Structural };
      readonly subresources: { readonly status: Readonly<Record<string, never>> };
      readonly additionalPrinterColumns: readonly object[];
    }[];
  };
}

/** @param registry the parts that a job file may name. Default: the built-in ones. */
export function customResourceDefinition(registry: Registry = builtIn): CustomResourceDefinition {
  const { group, version, kind, plural } = resourceNames;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames: ['mtj'],
        categories: ['all', 'metatrain'],
      },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: resourceSchema(registry) },
          subresources: { status: {} },
          additionalPrinterColumns: columns,
        },
      ],
    },
  };
}

const column = (name: string, type: string, jsonPath: string, isWide = false) => ({
  name,
  type,
  jsonPath,
  ...(isWide && { priority: 1 }),
});

const columns = [
  column('State', 'string', '.status.state'),
  column('Progress', 'string', '.status.progress'),
  column('Percent', 'integer', '.status.progressPercent'),
  column('ETA', 'string', '.status.eta'),
  column('Measure', 'string', '.status.measure'),
  column('Age', 'date', '.metadata.creationTimestamp'),
  column('Job', 'string', '.status.jobId', true),
  column('Params', 'string', '.status.paramsSha256', true),
  column('Message', 'string', '.status.message', true),
];

function resourceSchema(registry: Registry): Structural {
  return {
    type: 'object',
    description: 'A meta-training job that a MetaTrain coordinator runs.',
    required: ['spec'],
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      spec: {
        type: 'object',
        description: 'What is wanted. The job never changes; the other fields may.',
        required: ['job'],
        properties: {
          job: jobSchema(registry),
          suspend: { type: 'boolean', description: 'True pauses the job, false lets it go on. Default: false.' },
          ttlSecondsAfterFinished: {
            type: 'integer',
            format: 'int32',
            minimum: 0,
            description:
              'Deletes this resource so many seconds after its job has ended, however it ended. Default: never. ' +
              'The job and its results stay with the coordinator.',
          },
          activeDeadlineSeconds: {
            type: 'integer',
            format: 'int32',
            minimum: 1,
            description:
              'Cancels the job when it has been active for so long, counted from its start or from the last time ' +
              'that it was resumed. Default: no limit.',
          },
        },
      },
      status: statusSchema,
    },
  };
}

function jobSchema(registry: Registry): Structural {
  const plain = described(structuralOf(schemaOf(registry)), registry);
  // Parts of plugins may share a field's name and not its type. CEL cannot read such a field, so
  // the coordinator alone checks what depends on it.
  const unread = untypedPaths(plain).map((path) => new RegExp(`\\bself\\.\\??${path.replaceAll('.', '\\.\\??')}\\b`));
  const schema = setPaths(registry).reduce((before, path) => withSet(before, path.split('.')), plain);
  return {
    ...schema,
    description: jobDescription,
    'x-kubernetes-validations': [
      {
        rule: 'self == oldSelf',
        message: 'a job never changes: create another resource',
        reason: 'FieldValueForbidden',
      },
      ...jobRules(registry).filter(({ rule }) => !unread.some((field) => field.test(rule))),
    ],
  };
}

/** Of the fields without a type. */
function untypedPaths({ properties = {} }: Structural): string[] {
  return Object.entries(properties).flatMap(([name, field]) =>
    field.type === undefined ? [name] : untypedPaths(field).map((path) => `${name}.${path}`),
  );
}

/** The schema with the list at the path as a set. */
function withSet(schema: Structural, [name, ...rest]: readonly string[]): Structural {
  if (name === undefined) return { ...schema, 'x-kubernetes-list-type': 'set' };
  const field = schema.properties?.[name];
  return field ? { ...schema, properties: { ...schema.properties, [name]: withSet(field, rest) } } : schema;
}
