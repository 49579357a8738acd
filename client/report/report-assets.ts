// What a report carries besides the job: its script, with uPlot in it, and its style. Read from the package, so that they are the installed ones.
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
  // Whoever gets the file gets a copy of uPlot, whose licence asks to go along.
  return { script: `/*! ${licence}*/\n${bundle}`, style: styles.join('\n') };
}

/** With the line ends that a browser sees: the page's policy names each script by the hash of just that. */
const readText = async (file: string): Promise<string> => (await readFile(file, 'utf8')).replaceAll('\r\n', '\n');
