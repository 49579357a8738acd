// Predictions as a table: a row a query; of a classification the class and the probability of each.
import type { Predictions } from '../../models.ts';
import { plainStyle, type Style, table, truncate } from './text.ts';

/** Classes whose probabilities have columns of their own; of more, the three most probable are named. */
const mostColumns = 6;
const longestName = 40;
const longestClass = 16;

/** @param names what the queries are called, in order; a query without a name has its number. */
export function renderPredictions(
  { predictions, classes }: Pick<Predictions, 'predictions' | 'classes'>,
  names: readonly string[],
  style: Style = plainStyle,
): string {
  const nameOf = (at: number) => truncate(names[at] ?? `#${at + 1}`, longestName);
  if (classes.length === 0) {
    const columns = [{ title: 'QUERY' }, { title: 'PREDICTION', align: 'right' as const }];
    return table(
      columns,
      predictions.map(({ outputs }, at) => [nameOf(at), outputs.map(formatValue).join(', ')]),
      style,
    );
  }
  if (classes.length > mostColumns) {
    const rows = predictions.map(({ probabilities }, at) => {
      const ranked = probabilities.map((share, index) => ({ share, name: classes[index]! }));
      const best = ranked.sort((a, b) => b.share - a.share).slice(0, 3);
      return [nameOf(at), best[0]!.name, best.map(({ share, name }) => `${name} ${formatShare(share)}`).join(', ')];
    });
    return table([{ title: 'QUERY' }, { title: 'CLASS' }, { title: 'MOST PROBABLE' }], rows, style);
  }
  const columns = [
    { title: 'QUERY' },
    { title: 'CLASS' },
    ...classes.map((name) => ({ title: truncate(name, longestClass), align: 'right' as const })),
  ];
  const rows = predictions.map(({ className, probabilities }, at) => [
    nameOf(at),
    className ?? '',
    ...probabilities.map(formatShare),
  ]);
  return table(columns, rows, style);
}

const formatValue = (value: number): string => Number(value.toPrecision(5)).toString();

const formatShare = (share: number): string => `${(100 * share).toFixed(1)} %`;
