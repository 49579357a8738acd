// The script of a report, which includes uPlot, and its style sheet. Both are read from the
// installed package.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { packageRoot } from '../../shared/wire.ts';
import type { ReportAssets } from './report-page.ts';

export async function readReportAssets(): Promise<ReportAssets> {
  const uplot = (file: string) => createRequire(import.meta.url).resolve(`uplot/${file}`);
  const ours = (...path: string[]) => join(packageRoot, ...path);
  const [licence, bundle, ...styles] = await Promise.all(
    [
      uplot('LICENSE'),
      ours('dist', 'client', 'report', 'report-bundle.js'),
      uplot('dist/uPlot.min.css'),
      ours('shared', 'web', 'chart.css'),
      ours('client', 'report', 'report.css'),
    ].map(readText),
  );
  // Every report contains a copy of uPlot, whose licence must come with it.
  return { script: `/*! ${licence}*/\n${bundle}`, style: styles.join('\n') };
}

/**
 * With the line ends that browsers use: the page's policy names each script by the hash of these
 * bytes.
 */
const readText = async (file: string): Promise<string> => (await readFile(file, 'utf8')).replaceAll('\r\n', '\n');
