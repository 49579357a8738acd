// The result of a job as text: the trained model, the evaluation beside the published figure, both
// protocols and their differences. Pure; golden-tested.
import {
  type ComparedRow,
  type Comparison,
  compare,
  divergedText,
  outcomeWords,
  verdictWords,
  type Words,
} from '../../../shared/comparison.ts';
import { printableRecord } from '../../../shared/foreign-text.ts';
import type { JobSpec } from '../../../shared/job-spec/index.ts';
import { alongOtherAxes, axisHead, formatFigure, type Measure, titleWithUnit } from '../../../shared/measures.ts';
import { formatBytes, formatCount, formatDuration, formatRate } from '../../../shared/numbers.ts';
import { privacyText } from '../../../shared/privacy.ts';
import { cardText, protocolCard, publishedText } from '../../../shared/protocol.ts';
import type { RunResult } from '../run-result.ts';
import { colouredState } from './progress.ts';
import { type Column, fields, type Style, table, wrap } from './text.ts';

export interface ResultOptions {
  readonly width: number;
  readonly style: Style;
}

export function renderResult(result: RunResult, spec: JobSpec, options: ResultOptions): string {
  return renderPrintable(printableRecord(result), printableRecord(spec), options);
}

function renderPrintable(result: RunResult, spec: JobSpec, options: ResultOptions): string {
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
      ...(result.overrides.length > 0 ? [changedField(result.overrides)] : []),
      ...modelField(result),
      ...(result.skippedTasks > 0
        ? [['left out', `${formatCount(result.skippedTasks)} tasks, not finite`] as const]
        : []),
      ...privacyFields(spec, result.steps),
      ...(result.mixedFingerprints
        ? [['mixed', 'workers of several engine fingerprints took part: equal bytes are not promised'] as const]
        : []),
    ],
    style,
  );
  return result.evaluation ? `${head}\n\n${renderEvaluation(result, spec, options)}` : head;
}

/** What a job with `meta.privacy` promises after so many meta-steps, and what its bytes follow from. */
export function privacyFields(spec: JobSpec, steps: number): (readonly [string, string])[] {
  const promise = privacyText(spec, steps);
  if (promise === '') return [];
  return [
    ['privacy', promise],
    ['bytes', "follow from the job file and the coordinator's secret"],
  ];
}

/** The changes by --set. */
export const changedField = (overrides: readonly string[]): readonly [string, string] => [
  'changed',
  `${overrides.join(', ')} (--set)`,
];

/** The path of the model, for a run that could save it. */
function modelField({ model, state }: RunResult): (readonly [string, string])[] {
  if (model === undefined || state !== 'SUCCEEDED') return [];
  return [['model', model ? `${model.file}, ${formatBytes(model.bytes)}` : 'not saved']];
}

function renderEvaluation(result: RunResult, spec: JobSpec, { style, width }: ResultOptions): string {
  const { evaluation, state, overrides, data } = result;
  if (!evaluation) return '';
  const { published } = spec;
  const comparison = compare({ state, spec, overrides, data, evaluation });
  const { protocol } = evaluation;
  const { measure } = comparison;
  const title = `${style.bold(`Test result: ${measure ? titleWithUnit(measure) : 'none'}`)}, mean over ${formatCount(protocol.tasks)} ${protocol.split} tasks ± 95 %`;
  const diverged = divergedText(evaluation);
  const parts = [title, resultTable(comparison, style)];
  if (measure) parts.push(...alongOtherAxes(evaluation.measures, measure).map((group) => axisTable(group, style)));
  if (diverged !== undefined) parts.push(indented(style.yellow(diverged)));
  if (published) {
    const block = (text: string, indent = 13) => wrap(text, Math.max(width - indent, 30));
    const { text, tone } = outcomeWords(comparison);
    parts.push(indented(toned({ text: block(text, 2), tone }, style)));
    const { differences } = comparison;
    parts.push(
      fields(
        [
          ['ours', block(cardText(protocolCard(protocol, spec, result.words)))],
          ['published', block(publishedText(published, result.publishedWords))],
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
    parts.push(
      fields(
        [['protocol', wrap(cardText(protocolCard(protocol, spec, result.words)), Math.max(width - 12, 30))]],
        style,
        2,
      ),
    );
  }
  return parts.join('\n\n');
}

function resultTable({ measure, rows }: Comparison, style: Style): string {
  if (!measure) return '  nothing was measured';
  const hasPublished = rows.some(({ published }) => published);
  const hasAxis = measure.axis !== '';
  const columns: Column[] = [
    ...(hasAxis ? [{ title: axisHead(measure), align: 'right' } as const] : []),
    { title: 'ours', align: 'right' },
    ...(hasPublished ? [{ title: 'published', align: 'right' } as const, { title: '' }] : []),
  ];
  const text = (mean: number, halfWidth95?: number) => formatFigure(measure, mean, halfWidth95);
  const cells = rows.map((row: ComparedRow) => [
    ...(hasAxis ? [row.point] : []),
    text(row.ours.mean, row.ours.halfWidth95),
    ...(hasPublished
      ? [
          row.published ? text(row.published.mean, row.published.halfWidth95) : '',
          row.verdict ? toned(verdictWords(row.verdict), style) : '',
        ]
      : []),
  ]);
  return table(columns, cells, style, 2);
}

/** Measures of one axis side by side. */
function axisTable(measures: readonly Measure[], style: Style): string {
  const [head] = measures as [Measure, ...Measure[]];
  const columns: Column[] = [
    { title: axisHead(head) },
    ...measures.map((measure) => ({ title: titleWithUnit(measure), align: 'right' }) as const),
  ];
  const cells = head.points.map((point, i) => [
    point,
    ...measures.map((measure) => formatFigure(measure, measure.estimates[i]!.mean, measure.estimates[i]!.halfWidth95)),
  ]);
  return table(columns, cells, style, 2);
}

const indented = (text: string): string => text.replaceAll(/^/gm, '  ');

/** In the colour of its tone. */
function toned({ text, tone }: Words, style: Style): string {
  switch (tone) {
    case 'good':
      return style.green(text);
    case 'doubtful':
      return style.yellow(text);
    case 'bad':
      return style.red(text);
    case 'neutral':
      return text;
    default:
      return tone satisfies never;
  }
}
