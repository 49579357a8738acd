// Jobs beside each other as text. Pure.
import { printable, printableRecord } from '../../../shared/foreign-text.ts';
import type { JobSpec } from '../../../shared/job-spec/index.ts';
import { atLastPoint, formatFigure, titleWithUnit } from '../../../shared/measures.ts';
import { formatCount } from '../../../shared/numbers.ts';
import type { Job } from '../../records.ts';
import { colouredState } from './progress.ts';
import { fittingTable, plainStyle, type Style, truncate } from './text.ts';

/** A field that is not the same in all job files. */
export interface SpecDifference {
  /** Such as `meta.optimizer.learningRate`. */
  readonly field: string;
  /** One for each job; null where the field is absent. */
  readonly values: readonly unknown[];
}

/** Characters of a value in the table of differences. */
const longestValue = 40;

/** In the order of the first job's fields. Lists are one value. */
export function differencesOf(specs: readonly JobSpec[]): SpecDifference[] {
  const fields = specs.map((spec) => new Map(leavesOf(spec, '')));
  const names = new Set(fields.flatMap((leaves) => [...leaves.keys()]));
  return [...names].flatMap((field) => {
    const values = fields.map((leaves) => leaves.get(field) ?? null);
    return new Set(values.map((value) => JSON.stringify(value))).size > 1 ? [{ field, values }] : [];
  });
}

function leavesOf(value: unknown, path: string): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [[path, value]];
  return Object.entries(value).flatMap(([name, inner]) => leavesOf(inner, path === '' ? name : `${path}.${name}`));
}

/** @param width characters at most. Default: no limit. */
export function renderComparedJobs(
  received: readonly Job[],
  style: Style = plainStyle,
  width = Number.POSITIVE_INFINITY,
): string {
  const jobs = received.map(printableRecord);
  const results = jobs.map(({ evaluations }) => atLastPoint(evaluations.at(-1)?.measures ?? []));
  const measures = new Map(results.flatMap((result) => result.map(({ name, unit }) => [name, unit] as const)));
  const table = fittingTable(
    [
      { title: '', align: 'right' },
      { title: 'ID', importance: 2 },
      { title: 'NAME', importance: 3 },
      { title: 'STATE', importance: 1 },
      { title: 'META-STEPS', align: 'right' },
      ...[...measures].map(([name, unit]) => ({ title: titleWithUnit({ title: name.toUpperCase(), unit }) })),
    ],
    jobs.map((job, i) => [
      String(i + 1),
      job.jobId,
      job.name,
      colouredState(job.state, style),
      formatCount(job.steps),
      ...[...measures.keys()].map((name) => {
        const measure = results[i]?.find((found) => found.name === name);
        const estimate = measure?.estimates.at(-1);
        return measure && estimate ? formatFigure(measure, estimate.mean, estimate.halfWidth95) : '-';
      }),
    ]),
    width,
    style,
  );
  const differences = differencesOf(received.map(({ spec }) => spec));
  if (differences.length === 0) return `${table}\n\nTheir job files are equal.`;
  const rows = differences.map(({ field, values }) => [printable(field), ...values.map(valueText)]);
  const columns = [{ title: 'DIFFERS' }, ...jobs.map((_, i) => ({ title: String(i + 1) }))];
  return `${table}\n\n${fittingTable(columns, rows, width, style)}`;
}

const valueText = (value: unknown): string =>
  value === null ? '-' : truncate(printable(typeof value === 'string' ? value : JSON.stringify(value)), longestValue);
