// Sums an evaluation up: for every point of every measure the mean over tasks and its 95 % interval, 1.96·σ/√tasks with the population σ,
// as the code of Finn et al. 2017 prints it. Tasks are added in task order, so the figures do not depend on the cluster.
import { type Estimate, type Measure, type MeasureHead, type MeasureRows, measureOf } from '../../shared/measures.ts';
import type { EvaluatedDomains } from '../job.ts';

/** One measure of one shard's tasks: row-major [tasks × points]. */
export type EvaluationRows = readonly number[];

export interface EvaluationSummary {
  readonly measures: readonly Measure[];
  readonly tasks: number;
  /** Tasks of which some value is not finite. Measures without a range leave them out; those that have one keep every task. */
  readonly divergedTasks: number;
}

/**
 * @param shards the measures of every shard, in shard order, as the heads say. A measure that has a range
 *   is finite.
 */
export function summariseMeasures(
  shards: readonly (readonly MeasureRows[])[],
  heads: readonly MeasureHead[],
): EvaluationSummary {
  const valuesOf = (index: number) => shards.map((measures) => measures[index]!.values);
  const [first] = heads;
  const tasks = first ? valuesOf(0).reduce((sum, rows) => sum + rows.length, 0) / first.points.length : 0;
  const diverged = shards.map((measures) => divergedTasks(measures, heads));
  const estimates = heads.map(({ points, range }, index) => {
    const rows = valuesOf(index);
    const columns = points.length;
    return summariseRows(range ? rows : rows.map((values, i) => withoutTasks(values, columns, diverged[i]!)), columns);
  });
  return {
    measures: heads.map((head, index) => measureOf(head, estimates[index]!)),
    tasks,
    divergedTasks: diverged.reduce((sum, { size }) => sum + size, 0),
  };
}

/**
 * The measures along the first one's axis, at its last point, by domain. Tasks that diverged are
 * left out as in `summariseMeasures`; a domain without tasks has no finite estimate.
 */
export function summariseDomains(
  shards: readonly (readonly MeasureRows[])[],
  heads: readonly MeasureHead[],
  { names, heads: byDomain, domainOf }: EvaluatedDomains,
): Measure[] {
  return byDomain.map((head, index) => {
    const values: number[][] = names.map(() => []);
    const columns = heads[index]!.points.length;
    let task = 0;
    for (const measures of shards) {
      const rows = measures[index]!.values;
      const leftOut = head.range ? new Set<number>() : divergedTasks(measures, heads);
      for (let offset = 0; offset < rows.length / columns; offset++, task++) {
        if (!leftOut.has(offset)) values[domainOf(task)]!.push(rows[(offset + 1) * columns - 1]!);
      }
    }
    const estimates = values.map((own) => summariseRows([own], 1)[0]!);
    return measureOf(head, estimates);
  });
}

/** The offsets of a shard's tasks of which some value is not finite. */
function divergedTasks(measures: readonly MeasureRows[], heads: readonly MeasureHead[]): ReadonlySet<number> {
  const diverged = new Set<number>();
  for (const [index, { values }] of measures.entries()) {
    if (values.every(Number.isFinite)) continue;
    const columns = heads[index]!.points.length;
    for (const [i, value] of values.entries()) if (!Number.isFinite(value)) diverged.add(Math.floor(i / columns));
  }
  return diverged;
}

function withoutTasks(rows: EvaluationRows, columns: number, leftOut: ReadonlySet<number>): EvaluationRows {
  return leftOut.size === 0 ? rows : rows.filter((_, i) => !leftOut.has(Math.floor(i / columns)));
}

/**
 * @param shards every shard's rows, in shard order.
 * @param columns points of the measure.
 */
export function summariseRows(shards: readonly EvaluationRows[], columns: number): Estimate[] {
  const tasks = shards.reduce((sum, rows) => sum + rows.length, 0) / columns;
  return Array.from({ length: columns }, (_, column) => {
    const mean = sumColumn(shards, columns, column, (value) => value) / tasks;
    const variance = sumColumn(shards, columns, column, (value) => (value - mean) ** 2) / tasks;
    return { mean, halfWidth95: (1.96 * Math.sqrt(variance)) / Math.sqrt(tasks) };
  });
}

function sumColumn(
  shards: readonly EvaluationRows[],
  columns: number,
  column: number,
  term: (value: number) => number,
): number {
  let sum = 0;
  for (const rows of shards) {
    for (let i = column; i < rows.length; i += columns) sum += term(rows[i]!);
  }
  return sum;
}
