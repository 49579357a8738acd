// What a sweep found: for each setting the mean over its seeds with Student's 95 % interval. Pure.
import { formatFigure, headlineMeasures, type Measure, titleWithUnit } from '../../../shared/measures.ts';
import { meanOverRuns } from '../../../shared/student.ts';
import type { Job } from '../../records.ts';
import type { Override } from '../options.ts';
import { fittingTable, plainStyle, type Style } from './text.ts';

export interface SettingSummary {
  /** What the grid sets, by field. */
  readonly setting: Readonly<Record<string, string>>;
  readonly jobIds: readonly string[];
  readonly succeeded: number;
  /**
   * Of the final evaluations, at their last points: over the jobs that have succeeded. With one job,
   * `halfWidth95` is null: one seed says nothing of others.
   */
  readonly measures: readonly (Pick<Measure, 'name' | 'unit' | 'axis'> & {
    readonly point: string;
    readonly mean: number;
    readonly halfWidth95: number | null;
  })[];
}

export function summaryOfSetting(setting: readonly Override[], jobs: readonly Job[]): SettingSummary {
  const good = jobs.filter(({ state }) => state === 'SUCCEEDED');
  const results = good.map(({ evaluations }) => headlineMeasures(evaluations.at(-1)?.measures ?? []));
  const measures = (results[0] ?? []).map(({ name, unit, axis, points }) => {
    const values = results.flatMap(
      (result) => result.find((found) => found.name === name)?.estimates.at(-1)?.mean ?? [],
    );
    const { mean, halfWidth95 } = meanOverRuns(values);
    const width = Number.isFinite(halfWidth95) ? halfWidth95 : null;
    return { name, unit, axis, point: points.at(-1) ?? '', mean, halfWidth95: width };
  });
  const jobIds = jobs.map(({ jobId }) => jobId);
  return { setting: Object.fromEntries(setting), jobIds, succeeded: good.length, measures };
}

/** @param width characters at most. Default: no limit. */
export function renderSweep(
  tag: string,
  settings: readonly SettingSummary[],
  style: Style = plainStyle,
  width = Number.POSITIVE_INFINITY,
): string {
  const fields = Object.keys(settings[0]?.setting ?? {});
  const measures = settings.find((summary) => summary.measures.length > 0)?.measures ?? [];
  const rows = settings.map((summary) => [
    ...fields.map((field) => summary.setting[field] ?? '-'),
    `${summary.succeeded}/${summary.jobIds.length}`,
    ...measures.map(({ name }) => {
      const found = summary.measures.find((measure) => measure.name === name);
      return found ? formatFigure(found, found.mean, found.halfWidth95 ?? undefined) : '-';
    }),
  ]);
  const columns = [
    ...fields.map((field) => ({ title: field })),
    { title: 'SEEDS', align: 'right' as const },
    ...measures.map(({ name, unit }) => ({ title: titleWithUnit({ title: name.toUpperCase(), unit }) })),
  ];
  const note = "mean ± 95 % over seeds (Student's t) of each job's final evaluation";
  return `${style.bold(tag)}  ${note}\n${fittingTable(columns, rows, width, style)}`;
}
