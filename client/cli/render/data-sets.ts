// The catalogue of data sets as text, with the paths of their files on this machine. Pure.
import type { DataSet, DataSetFile } from '../../../shared/data-sets.ts';
import { printableRecord } from '../../../shared/foreign-text.ts';
import { formatBytes } from '../../../shared/numbers.ts';
import { plainStyle, type Style, table } from './text.ts';

export type ListedDataSet = Omit<DataSet, 'files'> & {
  readonly files: readonly (DataSetFile & { readonly path: string | null })[];
};

export function renderDataSets(
  dataSets: readonly ListedDataSet[],
  directories: readonly string[],
  style: Style = plainStyle,
): string {
  const blocks = dataSets.map(printableRecord).map(({ name, title, licence, homepage, files }) => {
    const rows = files.map(({ part, file, bytes, path }) => [
      part,
      file,
      formatBytes(bytes),
      path ?? style.yellow('not here'),
    ]);
    const columns = [
      { title: 'part' },
      { title: 'file' },
      { title: 'size', align: 'right' } as const,
      { title: 'found at' },
    ];
    return [`${style.bold(name)}  ${title}`, `  ${homepage} (${licence})`, table(columns, rows, style, 2)].join('\n');
  });
  return [...blocks, `searched: ${directories.map(printableRecord).join(', ')}`].join('\n\n');
}
