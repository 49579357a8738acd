// The report's script, in its reader's browser: draws every chart whose data the page carries. `npm run build` makes one file of it and of all that it
// imports, which report-assets.ts puts into the page.
import type { Chart } from '../../shared/job-charts.ts';
import { ChartView } from '../../shared/web/chart.ts';

const boxes = [...document.querySelectorAll<HTMLElement>('[data-chart]')];
for (const chart of JSON.parse(document.getElementById('charts')!.textContent!) as Chart[]) {
  const box = boxes.find(({ dataset }) => dataset.chart === chart.id)!;
  new ChartView(box, box.previousElementSibling as HTMLElement).show(chart);
}
