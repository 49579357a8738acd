// Nearest neighbour on a text job's own test episodes, without learning: a query takes the class of
// the support sentence, or of the class name, whose bag of tokens is the nearest by the cosine of
// TF-IDF weights. Tokens, episodes and their order are those of the job. The score of a sentence is
// its largest cosine.
import { resolveJob } from '../dist/learning/job.js';
import { parseJobSpec } from '../dist/learning/job-file.js';
import { builtIn } from '../dist/learning/registry.js';
import { allocateTasks } from '../dist/worker/learning/arrays.js';
import { taskIo } from '../dist/worker/learning/io.js';

/** Training tasks whose sentences give the document frequencies. */
const frequencyTasks = 500;

/** @returns accuracy and AUROC with half-widths of 95 %, and the shares of outside sentences that are rejected. */
export async function textBaseline(text, dataDirectories) {
  const spec = parseJobSpec(text);
  const { trained, task: facts } = resolveJob(spec, builtIn);
  const io = taskIo({ seed: spec.seed, dataDirectories, usedSplits: ['train', spec.evaluation.split] });
  const tasks = await trained.distribution.open(trained.section, io);
  const draw = (split, index) => {
    const task = allocateTasks(facts, 1).task(0);
    tasks.sample(split, index, task);
    return task;
  };
  const [length] = facts.input;
  const sentencesOf = (inputs) => Array.from({ length: inputs.length / length }, (_, row) => inputs.subarray(row * length, (row + 1) * length)); // biome-ignore format: one line

  const seen = new Set();
  const frequency = new Float64Array(facts.vocabulary);
  for (let index = 0; index < frequencyTasks; index++) {
    for (const sentence of sentencesOf(draw('train', index).queryInputs)) {
      const key = sentence.join();
      if (seen.has(key)) continue;
      seen.add(key);
      for (const token of new Set(sentence)) frequency[token] += 1;
    }
  }
  const weight = (token) => Math.log((1 + seen.size) / (1 + frequency[token])) + 1;
  const bagOf = (sentence) => {
    const bag = new Map();
    for (const token of sentence) if (token > 0) bag.set(token, (bag.get(token) ?? 0) + weight(token));
    const norm = Math.hypot(...bag.values()) || 1;
    return new Map([...bag].map(([token, value]) => [token, value / norm]));
  };
  const cosine = (a, b) => [...a].reduce((sum, [token, value]) => sum + value * (b.get(token) ?? 0), 0);

  const [accuracies, areas, curves] = [[], [], []];
  for (let index = 0; index < spec.evaluation.tasks; index++) {
    const task = draw(spec.evaluation.split, index);
    const known = sentencesOf(task.supportInputs ?? task.descriptionInputs).map(bagOf);
    const classOf = (row) => (task.supportTargets ? task.supportTargets.subarray(row * facts.ways, (row + 1) * facts.ways).indexOf(1) : row); // biome-ignore format: one line
    const nearest = (sentence) => {
      const bag = bagOf(sentence);
      const cosines = known.map((other) => cosine(bag, other));
      const score = Math.max(...cosines);
      return { score, classes: new Set(cosines.flatMap((value, row) => (value === score ? [classOf(row)] : []))) };
    };
    const queries = sentencesOf(task.queryInputs).map(nearest);
    // of several that are equally near, one is right by chance
    const right = queries.map(({ classes }, row) => {
      const label = task.queryTargets.subarray(row * facts.ways, (row + 1) * facts.ways).indexOf(1);
      return classes.has(label) ? 1 / classes.size : 0;
    });
    accuracies.push(mean(right));
    if (!task.outsideInputs) continue;
    const outside = sentencesOf(task.outsideInputs).map(nearest);
    const pairs = queries.flatMap(({ score }) => outside.map((other) => (other.score < score ? 1 : other.score === score ? 0.5 : 0))); // biome-ignore format: one line
    areas.push(mean(pairs));
    const notAbove = outside.map((other) => queries.filter(({ score }) => score <= other.score).length);
    curves.push(shares.map((share) => mean(notAbove.map((count) => (count <= share * queries.length + 1e-9 ? 1 : 0)))));
  }
  return {
    accuracy: estimate(accuracies),
    auroc: estimate(areas),
    rejected: shares.map((_, point) => mean(curves.map((curve) => curve[point]))),
  };
}

/** Of the queries that a threshold rejects too: the points of the measure `outside-rejected`. */
export const shares = [0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5];

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

function estimate(values) {
  const middle = mean(values);
  const variance = values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1);
  return { mean: middle, halfWidth95: (1.96 * Math.sqrt(variance)) / Math.sqrt(values.length) };
}
