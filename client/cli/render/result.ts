// The end of a job as a person reads it: what was trained, the evaluation beside the published figure, the protocol of both and what
// differs. Pure; golden-tested.
import type { JobSpec } from '../../../shared/job-spec/index.ts';
import type { EvaluationProtocol } from '../../records.ts';
import type { RunResult } from '../run-result.ts';
import { type ComparedRow, type Comparison, compare, type Verdict } from './comparison.ts';
import { formatCount, formatDuration, formatRate, formatValue } from './numbers.ts';
import { colouredState } from './progress.ts';
import { type Column, fields, type Style, table, wrap } from './text.ts';

export interface ResultOptions {
  /** Overrides of this run that change what is measured, such as `meta.iterations=500`. */
  readonly overrides: readonly string[];
  readonly width: number;
  readonly style: Style;
}

export function renderResult(result: RunResult, spec: JobSpec, options: ResultOptions): string {
  const { style } = options;
  const head = fields(
    [
      ['job', `${spec.name}  ${colouredState(result.state, style)}  (${result.jobId})`],
      ...(result.error ? [['error', style.red(result.error.message)] as const] : []),
      ['meta-steps', `${formatCount(result.steps)} of ${formatCount(spec.meta.iterations)}`],
      [
        'time',
        `${formatDuration(result.wallSeconds)}, ${formatRate(result.tasksPerSecond)} tasks/s, ` +
          `${formatRate(result.metaStepsPerSecond)} meta-steps/s`,
      ],
      ['parameters', result.paramsSha256 ? `SHA-256 ${result.paramsSha256}` : 'none yet'],
      ...(result.skippedTasks > 0
        ? [['left out', `${formatCount(result.skippedTasks)} tasks, not finite`] as const]
        : []),
      ...(result.mixedFingerprints
        ? [['mixed', 'workers of several engine fingerprints took part: equal bytes are not promised'] as const]
        : []),
    ],
    style,
  );
  return result.evaluation ? `${head}\n\n${renderEvaluation(result, spec, options)}` : head;
}

function renderEvaluation({ evaluation }: RunResult, spec: JobSpec, options: ResultOptions): string {
  if (!evaluation) return '';
  const { style, width, overrides } = options;
  const { published } = spec;
  const comparison = compare(evaluation, published);
  const { protocol } = evaluation;
  const measure =
    comparison.metric === 'accuracy'
      ? 'accuracy, %'
      : spec.task.distribution === 'sinusoid'
        ? 'mean squared error'
        : 'loss';
  const title = `${style.bold(`Test result: ${measure}`)}, mean over ${formatCount(protocol.tasks)} ${protocol.split} tasks ± 95 %`;
  const parts = [title, resultTable(comparison, style)];
  if (published) {
    const differences = [...published.differences, ...overrides.map((override) => `changed with --set ${override}`)];
    parts.push(verdictText(comparison, differences.length, style));
    const block = (text: string) => wrap(text, Math.max(width - 13, 30));
    parts.push(
      fields(
        [
          ['ours', block(protocolText(protocol, spec))],
          ['published', block(`${published.source}. ${published.protocol}`)],
          [
            'differs',
            differences.length > 0 ? differences.map((text) => block(`- ${text}`)).join('\n') : 'nothing that is known',
          ],
        ],
        style,
        2,
      ),
    );
  } else {
    parts.push(fields([['protocol', wrap(protocolText(protocol, spec), Math.max(width - 12, 30))]], style, 2));
  }
  return parts.join('\n\n');
}

function resultTable(comparison: Comparison, style: Style): string {
  const hasPublished = comparison.rows.some(({ published }) => published);
  const columns: Column[] = [
    { title: 'inner steps', align: 'right' },
    { title: 'ours', align: 'right' },
    ...(hasPublished ? [{ title: 'published', align: 'right' } as const, { title: '' }] : []),
  ];
  const text = comparison.metric === 'accuracy' ? accuracyText : lossText;
  const rows = comparison.rows.map((row: ComparedRow) => [
    String(row.innerSteps),
    text(row.ours.mean, row.ours.halfWidth95),
    ...(hasPublished
      ? [
          row.published ? text(row.published.mean, row.published.halfWidth95) : '',
          row.verdict ? verdictWords(row.verdict, style) : '',
        ]
      : []),
  ]);
  return table(columns, rows, style, 2);
}

const lossText = (mean: number, halfWidth95?: number) =>
  halfWidth95 === undefined ? formatValue(mean) : `${formatValue(mean)} ± ${formatValue(halfWidth95)}`;

const accuracyText = (mean: number, halfWidth95?: number) =>
  halfWidth95 === undefined
    ? (100 * mean).toFixed(2)
    : `${(100 * mean).toFixed(2)} ± ${(100 * halfWidth95).toFixed(2)}`;

function verdictWords(verdict: Verdict, style: Style): string {
  switch (verdict) {
    case 'inside':
      return style.green('published value inside our interval');
    case 'better':
      return style.green('ours is better');
    case 'overlaps':
      return style.yellow('ours is worse, the intervals overlap');
    case 'worse':
      return style.red('ours is worse');
    default:
      return verdict satisfies never;
  }
}

function verdictText({ outcome, notMeasured }: Comparison, differences: number, style: Style): string {
  const missing = notMeasured.length > 0 ? `; not measured: ${notMeasured.join(', ')} inner steps` : '';
  const caveat =
    differences > 0
      ? `, under a protocol that differs in ${differences} ${differences === 1 ? 'point' : 'points'}`
      : '';
  switch (outcome) {
    case 'reproduced': {
      const word = differences > 0 ? 'Published figure reached' : 'Reproduced';
      return `  ${style.green(`${word}: it lies inside our interval or ours is better${caveat}`)}${missing}`;
    }
    case 'overlaps':
      return `  ${style.yellow(`Not quite reproduced: ours is worse, by less than the two intervals add up to${caveat}`)}${missing}`;
    case 'not-reproduced':
      return `  ${style.red(`Not reproduced: ours is worse${caveat}`)}${missing}`;
    case 'nothing-to-compare':
      return `  Nothing to compare${missing}`;
    default:
      return outcome satisfies never;
  }
}

/** The protocol of our evaluation and the training behind it, in a sentence. */
export function protocolText(protocol: EvaluationProtocol, spec: JobSpec): string {
  const { algorithm, meta } = spec;
  const shape = protocol.ways > 0 ? `${protocol.ways}-way ${protocol.shots}-shot` : `${protocol.shots} support points`;
  const isOne = protocol.queries === 1;
  const queries =
    protocol.ways > 0
      ? `${protocol.queries} ${isOne ? 'query' : 'queries'} a class`
      : `${protocol.queries} query ${isOne ? 'point' : 'points'}`;
  const order = algorithm.name === 'maml' ? `${algorithm.order}-order ` : '';
  const method = algorithm.name === 'maml' ? 'MAML' : 'Reptile';
  return (
    `${order}${method}, ${shape}, ${queries}, ${formatCount(protocol.tasks)} ${protocol.split} tasks, ` +
    `${protocol.transductive ? 'transductive' : 'inductive'}; trained for ${formatCount(meta.iterations)} meta-steps of ` +
    `${meta.batchSize} tasks with ${algorithm.innerSteps} inner ${algorithm.innerSteps === 1 ? 'step' : 'steps'} of rate ` +
    `${algorithm.innerLearningRate}, ${meta.optimizer.name} ${meta.optimizer.learningRate} (${meta.schedule.name}), seed ${spec.seed}; ` +
    `${protocol.splitDescription || protocol.distribution}`
  );
}
