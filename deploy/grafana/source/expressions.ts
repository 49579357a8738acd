// PromQL that our dashboards repeat.

/** Grafana's window for rates: at least four scrapes. */
export const rateWindow = '$__rate_interval';

/** Events a second. */
export const rate = (series: string, by?: string): string => summed(`rate(${series}[${rateWindow}])`, by);

/**
 * Mean of a histogram's observations in the window.
 *
 * @param name without `_sum` and `_count`.
 */
export const mean = (name: string, by?: string, matchers = ''): string =>
  `${rate(`${name}_sum${matchers}`, by)} / ${rate(`${name}_count${matchers}`, by)}`;

/**
 * @param quantile 0 to 1.
 * @param name without `_bucket`.
 */
export const quantile = (quantile: number, name: string, by = '', matchers = ''): string =>
  `histogram_quantile(${quantile}, ${rate(`${name}_bucket${matchers}`, by === '' ? 'le' : `le, ${by}`)})`;

export const summed = (series: string, by?: string): string =>
  by === undefined ? `sum(${series})` : `sum by (${by}) (${series})`;

/**
 * Series of a process's own metric, restricted to processes that have `info`, with the labels of
 * `info`.
 */
export const ofProcess = (series: string, info: string, labels = ''): string =>
  `${series} * on (job, instance) group_left (${labels}) ${info}`;
