// What the runs of scripts/family.mjs come to: means and intervals over seeds. A run is a record of
// docs/figures/family-omniglot.json.
export const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

const percent = (value) => (100 * value).toFixed(1);

/** 0.975 quantile of Student's t with two degrees of freedom. */
const tOfThree = 4.303;

/** Half the width of the 95 % interval of the mean over three seeds. */
export function overSeeds(accuracies) {
  const centre = mean(accuracies);
  const variance = accuracies.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (accuracies.length - 1);
  return tOfThree * Math.sqrt(variance / accuracies.length);
}

/** Mean accuracy and its interval over three seeds, or how many seeds there are. */
export function figureOf(runs) {
  if (runs.length === 0) return { accuracy: '–', seeds: '', tasks: '' };
  const accuracies = runs.map(({ accuracy }) => accuracy);
  const seeds = runs.length === 3 ? `± ${percent(overSeeds(accuracies))}` : `(${runs.length} of 3)`;
  return {
    accuracy: percent(mean(accuracies)),
    seeds,
    tasks: percent(mean(runs.map(({ halfWidth95 }) => halfWidth95))),
  };
}

/** The least of the seeds, which other programs disturbed least. */
export function secondsOf(runs, name) {
  const known = runs.flatMap((run) => run[name] ?? []);
  return known.length > 0 ? Math.min(...known) : undefined;
}
