// Draws a chart of shared/job-charts.ts with uPlot, for the report and the console. Runs in a browser as it stands, without a build; `uPlot`
// is a global by then. Colours come from the page's style (--chart-…), and follow when light turns to dark.
/* global uPlot */

const height = 280;
/** From so many points on, a curve that is not marked is shown with its moving median. */
const smoothFrom = 60;
/** Steps are counted: no ticks between them. */
const wholeSteps = Array.from({ length: 27 }, (_, i) => [1, 2, 5][i % 3] * 10 ** Math.floor(i / 3));

/**
 * @param {HTMLElement} place filled with the chart, as wide as it is.
 * @param {import('../job-charts.ts').Chart} chart
 * @returns {{ show(chart: object): void, close(): void }} `show` draws newer data in its place.
 */
export function mountChart(place, chart) {
  let shown = chart;
  let plot;
  const draw = () => {
    plot?.destroy();
    const layers = layersOf(shown);
    plot = new uPlot(optionsOf(shown, layers, place.clientWidth), columnsOf(layers), place);
  };
  draw();
  const isDark = matchMedia('(prefers-color-scheme: dark)');
  isDark.addEventListener('change', draw);
  const resized = new ResizeObserver(() => {
    if (place.clientWidth > 0 && place.clientWidth !== plot.width) plot.setSize({ width: place.clientWidth, height });
  });
  resized.observe(place);
  return {
    show(newer) {
      shown = newer;
      draw();
    },
    close() {
      resized.disconnect();
      isDark.removeEventListener('change', draw);
      plot.destroy();
    },
  };
}

/** What is drawn, from the back to the front: one column of values each. */
function layersOf(chart) {
  const [main, ...others] = chart.series;
  const layers = [];
  const earlier = others.filter(({ role }) => role === 'earlier');
  for (const [i, series] of earlier.entries()) {
    layers.push({
      kind: 'earlier',
      strength: (i + 1) / (earlier.length + 1),
      label: series.label,
      points: series.points,
    });
  }
  if (main.points.some(({ halfWidth95 }) => halfWidth95 > 0)) {
    const edge = (sign) => main.points.map(({ x, y, halfWidth95 = 0 }) => ({ x, y: y + sign * halfWidth95 }));
    layers.push({ kind: 'edge', label: 'upper', points: edge(1) }, { kind: 'edge', label: 'lower', points: edge(-1) });
  }
  if (!chart.isMarked && main.points.length >= smoothFrom) {
    layers.push({ kind: 'raw', label: 'reported', points: main.points });
    layers.push({ kind: 'main', label: 'moving median', points: movingMedian(main.points) });
  } else {
    layers.push({ kind: 'main', label: main.label, points: main.points, isMarked: chart.isMarked });
  }
  const published = others.find(({ role }) => role === 'published');
  if (published) layers.push({ kind: 'published', label: published.label, points: published.points });
  return layers;
}

/** Over a fortieth of the points to either side. A median, since one bad meta-batch must not look like a trend. */
function movingMedian(points) {
  const reach = Math.ceil(points.length / 40);
  return points.map(({ x }, i) => {
    const window = points.slice(Math.max(0, i - reach), i + reach + 1).map(({ y }) => y);
    window.sort((a, b) => a - b);
    return { x, y: window[Math.floor(window.length / 2)] };
  });
}

function columnsOf(layers) {
  const xs = [...new Set(layers.flatMap(({ points }) => points.map(({ x }) => x)))].sort((a, b) => a - b);
  return [
    xs,
    ...layers.map(({ points }) => {
      const valueAt = new Map(points.map(({ x, y }) => [x, y]));
      return xs.map((x) => valueAt.get(x) ?? null);
    }),
  ];
}

function optionsOf(chart, layers, width) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--chart-${name}`).trim();
  const unit = chart.unit === '%' ? ' %' : '';
  const edges = layers.findIndex(({ kind }) => kind === 'edge');
  const font = '12px system-ui, sans-serif';
  const axis = {
    stroke: colour('text'),
    font,
    labelFont: font,
    grid: { stroke: colour('grid'), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height,
    scales: {
      x: { time: false, range: (_, __, high) => [0, Math.max(high, 1)] },
      // Not out to whole decades, which would leave half of the chart empty.
      y: chart.scale === 'log' ? { distr: 3, range: (_, low, high) => [low / 1.1, high * 1.1] } : {},
    },
    axes: [
      {
        ...axis,
        label: chart.x,
        size: 30,
        labelSize: 18,
        labelGap: 0,
        incrs: wholeSteps,
        values: (_, ticks) => ticks.map(count),
      },
      {
        ...axis,
        size: 64,
        ...(chart.scale === 'log' && { splits: (_, __, low, high) => logTicks(low, high) }),
        values: (_, ticks) => ticks.map((tick) => (tick === null ? '' : `${short(tick)}${unit}`)),
      },
    ],
    cursor: { y: false, points: { size: 7 } },
    legend: { live: true, markers: { width: 2 } },
    series: [
      { label: chart.x, value: legendValue(count) },
      ...layers.map((layer) => ({ ...seriesOf(layer, colour), value: legendValue((y) => `${figure(y)}${unit}`) })),
    ],
    bands: edges < 0 ? [] : [{ series: [edges + 1, edges + 2], fill: colour('band') }],
    hooks: { draw: [(plot) => drawBars(plot, layers, colour('published'))] },
  };
}

/** What the legend says of a series at the cursor; where it ends, while nobody points at anything. */
function legendValue(format) {
  return (plot, value, series, index) => {
    const shown = index === null ? plot.data[series].findLast((one) => one !== null) : value;
    return shown == null ? '–' : format(shown);
  };
}

/** 1 to 9 of every decade, of many decades their beginnings; uPlot itself would begin with the odd value at the bottom. */
function logTicks(low, high) {
  const digits = high / low > 1e4 ? [1] : [1, 2, 3, 4, 5, 6, 7, 8, 9];
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power += 1) {
    for (const digit of digits) {
      const tick = Number(`${digit}e${power}`);
      if (tick >= low && tick <= high) ticks.push(tick);
    }
  }
  return ticks;
}

function seriesOf({ kind, label, isMarked = false, strength = 1 }, colour) {
  const points = { show: isMarked, size: 6, fill: colour('main') };
  switch (kind) {
    case 'main':
      return { label, stroke: colour('main'), width: 2, points, spanGaps: true };
    case 'raw':
      return { label, stroke: colour('raw'), width: 1, points: { show: false }, spanGaps: true };
    case 'earlier':
      return {
        label,
        stroke: colour('earlier'),
        alpha: 0.25 + 0.75 * strength,
        width: 1.5,
        points: { show: false },
        spanGaps: true,
      };
    case 'edge':
      return { label, class: 'edge', width: 0, points: { show: false }, spanGaps: true };
    default: {
      const stroke = colour('published');
      return {
        label,
        stroke,
        width: 0,
        paths: () => null,
        points: { show: true, size: 9, width: 2, stroke, fill: colour('page') },
      };
    }
  }
}

/** The intervals of published figures, which stand alone and have no band. */
function drawBars(plot, layers, stroke) {
  const { ctx } = plot;
  ctx.save();
  ctx.strokeStyle = stroke;
  ctx.lineWidth = 2 * devicePixelRatio;
  for (const { kind, points } of layers) {
    if (kind !== 'published') continue;
    for (const { x, y, halfWidth95 } of points) {
      if (!halfWidth95) continue;
      const left = plot.valToPos(x, 'x', true);
      ctx.beginPath();
      ctx.moveTo(left, plot.valToPos(y - halfWidth95, 'y', true));
      ctx.lineTo(left, plot.valToPos(y + halfWidth95, 'y', true));
      ctx.stroke();
    }
  }
  ctx.restore();
}

const count = (value) => value.toLocaleString('en-US');
const isPlain = (value) => value === 0 || (Math.abs(value) >= 1e-4 && Math.abs(value) < 1e7);
const rounded = (value, digits) => value.toLocaleString('en-US', { maximumSignificantDigits: digits });
const short = (value) => (isPlain(value) ? rounded(value, 6) : value.toExponential().replace('e+', 'e'));
const figure = (value) => (isPlain(value) ? rounded(value, 4) : value.toExponential(3).replace('e+', 'e'));
