// `npm run --silent bench -- NAME | node scripts/bench-table.mjs`: turns a benchmark's JSON into a
// text table for a page.
import { readFileSync } from 'node:fs';

const [processor, result] = [
  /^model name\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? 'unknown processor',
  JSON.parse(readFileSync(0, 'utf8')),
];

/** Rows of cells as columns two spaces apart. The first row is the head. */
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
  adapt({ results, requests, slots }) {
    const head = ['p50, ms', 'p99, ms', 'answers/s', 'meta-steps/s alone', 'beside', 'share'];
    const rows = results.map(({ p50Ms, p99Ms, answersPerSecond, jobStepsPerSecond: { alone, beside } }) => [
      p50Ms,
      p99Ms,
      answersPerSecond,
      alone,
      beside,
      `${Math.round((100 * beside) / alone)} %`,
    ]);
    return `${table([head, ...rows])}\n\n${requests} requests at once, each adapts and predicts, beside a running job; one worker of ${slots} threads; a row a round.`;
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
    const head = [
      'workers',
      'bytes',
      'meta-steps/s',
      'shards/s',
      'MB/s',
      'of bare gRPC',
      'in lock-step',
      'overhead, ms a meta-step',
    ];
    const rows = results.map((row) =>
      row.leftOut
        ? [row.workers, row.bytes, '–', '–', '–', '–', '–', row.leftOut]
        : [
            row.workers,
            row.bytes,
            Math.round(row.stepsPerSecond),
            Math.round(row.shardsPerSecond),
            Math.round(row.bytesPerSecond / 1e6),
            `${Math.round(100 * row.ratio)} %`,
            `${Math.round(100 * row.lockStepRatio)} %`,
            row.overheadMsPerMetaStep,
          ],
    );
    return table([head, ...rows]);
  },
  soak(result) {
    const { minutes, warmUp, jobs, workersSeen, watchers, messagesRead, console: looker, failures } = result;
    const { anonymousMegabytes: own, residentMegabytes: resident, heapMegabytes: heap } = result;
    const head = ['memory, MB', 'first third', 'middle third', 'last third'];
    const rows = [
      ["the process's own", own.first, own.middle, own.last],
      ['resident', resident.first, resident.middle, resident.last],
    ];
    const count = (value) => value.toLocaleString('en-US');
    return [
      table([head, ...rows]),
      `What lives, after a full collection: ${heap.before} MB before, ${heap.after} MB after.`,
      `${minutes} minutes after ${warmUp.seconds} s in which what is kept of ended jobs filled up: ${count(jobs)} jobs, ` +
        `${count(workersSeen)} workers came,\n${count(watchers)} streams watched (${count(messagesRead)} messages read), ` +
        `a console was open (${looker}). ${failures.length === 0 ? 'Nothing was left behind.' : failures.join('; ')}`,
    ].join('\n');
  },
  observability({ watchedBy, workers, tasks, rounds, metaStepsPerSecond, processorMsPerMetaStep, ...result }) {
    const head = ['', 'alone', `watched by ${watchedBy.join(', ') || 'nobody'}`, 'cost, % ± 95 %'];
    const cost = (mean, halfWidth95) => `${mean.toFixed(1)} ± ${halfWidth95.toFixed(1)}`;
    const rows = [
      [
        'meta-steps/s',
        Math.round(metaStepsPerSecond.alone),
        Math.round(metaStepsPerSecond.watched),
        cost(result.costPercent, result.costHalfWidth95Percent),
      ],
    ];
    // null if the system does not report processor time
    if (processorMsPerMetaStep.alone !== null)
      rows.push([
        'processor time a meta-step, ms',
        processorMsPerMetaStep.alone,
        processorMsPerMetaStep.watched,
        cost(result.processorCostPercent, result.processorCostHalfWidth95Percent),
      ]);
    const note = `A meta-step of ${tasks} tasks; ${rounds} rounds with two new clusters of ${workers} workers each; ${result.scrapes} scrapes, ${result.streamedEvents} events in the console's stream.`;
    return `${table([head, ...rows])}\n\n${note}`;
  },
};

console.log(`${renderers[result.benchmark](result)}\nNode ${process.version}, ${processor}.`);
