// The report's own script: mounts every chart whose data the page carries. Follows shared/web/charts.js in one module script.
/* global mountChart */
for (const chart of JSON.parse(document.getElementById('charts').textContent)) {
  mountChart(document.querySelector(`[data-chart="${chart.id}"]`), chart);
}
