// What a report carries besides the job: uPlot, the chart script, the style. Read from the package, so that they are the installed ones.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { packageRoot } from '../../shared/wire.ts';
import type { ReportAssets } from './report-page.ts';

export async function readReportAssets(): Promise<ReportAssets> {
  const uplot = (file: string) => createRequire(import.meta.url).resolve(`uplot/dist/${file}`);
  const ours = (...path: string[]) => join(packageRoot, ...path);
  const [library, charts, report, uplotStyle, style] = await Promise.all(
    [
      uplot('uPlot.iife.min.js'),
      ours('shared', 'web', 'charts.js'),
      ours('client', 'report', 'report.js'),
      uplot('uPlot.min.css'),
      ours('client', 'report', 'report.css'),
    ].map((file) => readFile(file, 'utf8')),
  );
  return { library: library!, script: `${charts}\n${report}`, style: `${uplotStyle}\n${style}` };
}
