// The `published` section: the figure that a job is compared with, and the protocol behind it. The
// protocol is stated in the job file's own fields, so that a program can compare it with the job;
// prose holds only facts without a field. A missing field means that the source does not tell.
import { z } from 'zod';
import { excerpt } from '../foreign-text.ts';
import { areCounts, figuresOf, isCount, type MeasureHead } from '../measures.ts';
import { type EvaluationSpec, evaluationSchema } from './evaluation.ts';
import type { FieldProblem } from './explain.ts';
import { inKeywords } from './keywords.ts';
import type { MetaSpec } from './meta.ts';
import type { AlgorithmSection, ModelSection, ObjectiveSection, TaskSection } from './sections.ts';

/** Points of one measure that a source reports. */
const maxPoints = 1001;
const hasFewPoints = inKeywords((at: object) => Object.keys(at).length <= maxPoints, { maxProperties: maxPoints });

const figureSchema = z.strictObject({ mean: z.number(), halfWidth95: z.number().min(0).optional() });

/**
 * Any part of a section. `null`: the source does without it, such as no clipping of the
 * meta-gradient.
 */
type Stated<Section> = Section extends readonly unknown[]
  ? Section
  : Section extends object
    ? { readonly [Field in keyof Section]?: Stated<Section[Field]> | null }
    : Section;

/** How a figure was made, as far as known. */
export interface StatedProtocol {
  readonly task?: Stated<TaskSection>;
  readonly model?: Stated<ModelSection>;
  readonly algorithm?: Stated<AlgorithmSection>;
  readonly objective?: Stated<ObjectiveSection>;
  readonly meta?: Stated<MetaSpec>;
  readonly evaluation?: Stated<Omit<EvaluationSpec, 'every' | 'insight' | 'task'>>;
  /**
   * Whether a prediction for one query example may use the other query examples. Not a field of a
   * job file: the model decides it.
   */
  readonly transductive?: boolean;
}

/** The sections of a job file whose fields can be stated, as schemas. */
export interface StatedSections {
  readonly task: z.ZodType;
  readonly model: z.ZodType;
  readonly algorithm: z.ZodType;
  readonly objective: z.ZodType;
  readonly meta: z.ZodType;
}

const protocolSchemaOf = (sections: StatedSections) =>
  z.strictObject({
    ...Object.fromEntries(Object.entries(sections).map(([name, schema]) => [name, stated(schema).optional()])),
    evaluation: stated(evaluationSchema.omit({ every: true, insight: true })).optional(),
    transductive: z.boolean().optional(),
  }) as unknown as z.ZodType<StatedProtocol>;

export const publishedSchemaOf = (sections: StatedSections) =>
  z.strictObject({
    /** Method and paper, such as `MAML, Finn et al. 2017, §5.1`. */
    source: z.string().min(1).max(400),
    /** The job's measure that it is compared with, such as `accuracy`. */
    measure: z.string().min(1).max(40),
    /**
     * Points of the measure's axis → value, with a 95 % half-width if the source gives one. Shares
     * are from 0 to 1.
     */
    at: z
      .record(z.string().min(1).max(100), figureSchema)
      .refine(hasFewPoints, `at most ${maxPoints} points`)
      .optional(),
    /** The value of a measure that has no axis. */
    figure: figureSchema.optional(),
    protocol: protocolSchemaOf(sections).default({}),
    /** Differences between this job and the source that no field of `protocol` can state. */
    differences: z.array(z.string().max(400)).max(20).default([]),
  });

export type PublishedSpec = z.infer<ReturnType<typeof publishedSchemaOf>>;

/**
 * Errors in a figure for a job with these measures. A point that the job does not measure is not an
 * error: the source may report more points, and then there is no verdict.
 */
export function figureProblems(published: PublishedSpec, measures: readonly MeasureHead[]): FieldProblem[] {
  const { measure, at, figure } = published;
  const head = measures.find(({ name }) => name === measure);
  if (!head) {
    const accepted = `one of the job's measures: ${measures.map(({ name }) => name).join(', ')}`;
    return [{ field: 'published.measure', got: excerpt(measure, 80), accepted }];
  }
  const { axis, points, range } = head;
  const problems: FieldProblem[] = [];
  if (axis === '' && at) {
    problems.push({ field: 'published.at', got: 'points', accepted: `published.figure, as ${measure} has no axis` });
  }
  if (axis !== '' && figure) {
    problems.push({ field: 'published.figure', got: 'a figure', accepted: `published.at: the figures by ${axis}` });
  }
  for (const point of Object.keys(at ?? {})) {
    const isPoint = axis === '' || isCount(point) || !areCounts(points);
    if (isPoint) continue;
    problems.push({
      field: 'published.at',
      got: excerpt(point, 80),
      accepted: `a number of ${axis}s, such as ${points.at(-1)}`,
    });
  }
  for (const [point, { mean }] of Object.entries(figuresOf(published))) {
    if (!range || (mean >= range[0] && mean <= range[1])) continue;
    const field = point === '' ? 'published.figure.mean' : `published.at.${excerpt(point, 80)}.mean`;
    problems.push({ field, got: String(mean), accepted: `${measure} from ${range[0]} to ${range[1]}` });
  }
  return problems;
}

/**
 * The schema with every field optional, without defaults, and with the name required that chooses
 * among several schemas.
 */
function stated(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodDefault) return stated(schema.unwrap() as z.ZodType);
  if (schema instanceof z.ZodOptional) return stated(schema.unwrap() as z.ZodType).nullable();
  if (schema instanceof z.ZodDiscriminatedUnion) {
    const options = schema.options.map((option) => stated(option as z.ZodType) as z.core.$ZodTypeDiscriminable);
    return z.discriminatedUnion(schema.def.discriminator, options as [z.core.$ZodTypeDiscriminable]);
  }
  if (!(schema instanceof z.ZodObject)) return schema;
  const fields = Object.entries(schema.shape as Readonly<Record<string, z.ZodType>>).map(([name, field]) => [
    name,
    field instanceof z.ZodLiteral ? field : stated(field).optional(),
  ]);
  return z.strictObject(Object.fromEntries(fields));
}
