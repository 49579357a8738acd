// `npm run --silent bench -- NAME | node scripts/bench-table.mjs`: a benchmark's JSON as a table that a page can show.
import { readFileSync } from 'node:fs';

const [processor, result] = [
  /^model name\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown processor',
  JSON.parse(readFileSync(0, 'utf8')),
];

/** Rows of cells, the first one the head, as columns two spaces apart. */
function table(rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => String(row[i]).length)));
  const line = (row) => row.map((cell, i) => (i === 0 ? String(cell).padEnd(widths[0]) : String(cell).padStart(widths[i]))).join('  '); // biome-ignore format: one line
  return rows.map((row) => line(row).trimEnd()).join('\n');
}

const renderers = {
  engine({ results, gemmGflops }) {
    const peers = [...new Set(results.flatMap(({ peers }) => Object.keys(peers)))];
    const rows = results.map((row) => [
      row.workload,
      row.medianMs,
      row.firstGradientSeconds,
      `${Math.round(100 * row.shareOfGemm)} %`,
      ...peers.map((name) => row.peers[name]?.ratio.toFixed(2) ?? '–'),
    ]);
    const head = ['workload', 'ms a task', 'first gradient, s', 'of GEMM', ...peers.map((name) => `× ${name}`)];
    const note = `× is the peer's time over ours, medians of one run, one thread each; GEMM reaches ${gemmGflops} GFLOP/s.`;
    return `${table([head, ...rows])}\n\n${note}`;
  },
  'end-to-end'({ results, workers }) {
    const head = ['workload', 'meta-step, ms', 'meta-steps/s', 'outside the engine', 'PyTorch loop, ms', '×'];
    const rows = results.map((row) => [
      row.workload,
      row.metaStepMs,
      Math.round(row.metaStepsPerSecond),
      `${Math.round(100 * row.shareOutsideEngine)} %`,
      row.torchEagerLoopMs ?? '–',
      row.ratio?.toFixed(1) ?? '–',
    ]);
    return `${table([head, ...rows])}\n\n25 tasks a meta-step, a coordinator and ${workers} workers; × is the loop's time over the cluster's.`;
  },
  coordinator({ results }) {
    const head = ['workers', 'bytes', 'meta-steps/s', 'shards/s', 'MB/s', 'of bare gRPC', 'overhead, ms a meta-step'];
    const rows = results.map((row) =>
      row.leftOut
        ? [row.workers, row.bytes, '–', '–', '–', '–', row.leftOut]
        : [
            row.workers,
            row.bytes,
            Math.round(row.stepsPerSecond),
            Math.round(row.shardsPerSecond),
            Math.round(row.bytesPerSecond / 1e6),
            `${Math.round(100 * row.ratio)} %`,
            row.overheadMsPerMetaStep,
          ],
    );
    return table([head, ...rows]);
  },
  observability({ watchedBy, workers, rounds, metaStepsPerSecond, costPercent, costHalfWidth95Percent, ...tally }) {
    const head = ['watched by', 'meta-steps/s alone', 'watched', 'cost, % ± 95 %'];
    const cost = `${costPercent.toFixed(1)} ± ${costHalfWidth95Percent.toFixed(1)}`;
    const { alone, watched } = metaStepsPerSecond;
    const row = [watchedBy.join(', ') || 'nobody', Math.round(alone), Math.round(watched), cost];
    const note = `${rounds} rounds with two new clusters of ${workers} workers each; ${tally.scrapes} scrapes, ${tally.streamedEvents} events in the console's stream.`;
    return `${table([head, row])}\n\n${note}`;
  },
};

console.log(`${renderers[result.benchmark](result)}\nNode ${process.version}, ${processor}.`);
