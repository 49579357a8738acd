// Sums an evaluation up: for every number of inner steps the mean over tasks and its 95 % interval, 1.96·σ/√tasks with the population σ,
// as the code of Finn et al. 2017 prints it. Tasks are added in task order, so the figures do not depend on the cluster.

export interface Estimate {
  readonly mean: number;
  readonly halfWidth95: number;
}

/** One shard's part: row-major [tasks × (innerSteps + 1)]. */
export type EvaluationRows = readonly number[];

/**
 * The losses of the tasks whose loss is finite after every number of inner steps, and how many tasks
 * that leaves out.
 */
export function withoutDiverged(
  shards: readonly EvaluationRows[],
  columns: number,
): { readonly shards: EvaluationRows[]; readonly divergedTasks: number } {
  let divergedTasks = 0;
  const converged = shards.map((rows) => {
    if (rows.every(Number.isFinite)) return rows;
    const kept: number[] = [];
    for (let first = 0; first < rows.length; first += columns) {
      const row = rows.slice(first, first + columns);
      if (row.every(Number.isFinite)) kept.push(...row);
      else divergedTasks += 1;
    }
    return kept;
  });
  return { shards: converged, divergedTasks };
}

/**
 * @param shards every shard's rows, in shard order.
 * @param columns innerSteps + 1.
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
