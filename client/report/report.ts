// The report's script, which runs in the reader's browser: draws every chart whose data the page
// contains. `npm run build` bundles it with its imports, and report-assets.ts puts the bundle into
// the page.
import type { Chart } from '../../shared/job-charts.ts';
import { ChartView } from '../../shared/web/chart.ts';

const boxes = [...document.querySelectorAll<HTMLElement>('[data-chart]')];
for (const chart of JSON.parse(document.getElementById('charts')!.textContent!) as Chart[]) {
  const box = boxes.find(({ dataset }) => dataset.chart === chart.id)!;
  new ChartView(box, box.previousElementSibling as HTMLElement).show(chart);
}
