// Jobs as text: the list, the result of one job, and all details of one job. Pure; golden-tested.
import { describeData } from '../../../shared/data-identity.ts';
import { excerpt, printableLines, printableRecord } from '../../../shared/foreign-text.ts';
import { yamlText } from '../../../shared/job-spec/yaml.ts';
import { headline } from '../../../shared/measures.ts';
import { formatBytes, formatCount, formatTime } from '../../../shared/numbers.ts';
import { paceText } from '../../../shared/pace.ts';
import { describePlugin } from '../../../shared/plugin-identity.ts';
import type { Job, JobSummary } from '../../records.ts';
import { runResult } from '../run-result.ts';
import { colouredState, progressLine, viewOf } from './progress.ts';
import { changedField, privacyFields, type ResultOptions, renderResult } from './result.ts';
import { fields, fittingTable, plainStyle, type Style, table } from './text.ts';

/** Characters of a reason in the list; `jobs show` prints all of it. */
const longestReason = 120;

/** @param width characters at most; what matters least is left out first. Default: no limit. */
export function renderJobList(
  jobs: readonly Omit<JobSummary, 'tags'>[],
  style: Style = plainStyle,
  width = Number.POSITIVE_INFINITY,
): string {
  if (jobs.length === 0) return 'no jobs';
  const hasReasons = jobs.some(({ waiting, error }) => waiting ?? error);
  return fittingTable(
    [
      { title: 'ID' },
      { title: 'NAME' },
      { title: 'STATE' },
      { title: 'META-STEPS', align: 'right' },
      { title: 'LAST EVALUATION', importance: 2 },
      { title: 'SUBMITTED', importance: 1 },
      ...(hasReasons ? [{ title: 'BECAUSE' }] : []),
    ],
    jobs.map(printableRecord).map((job) => {
      const { lastEvaluation } = job;
      return [
        job.jobId,
        job.name,
        colouredState(job.state, style),
        `${formatCount(job.steps)}/${formatCount(job.iterations)}`,
        lastEvaluation ? headline(lastEvaluation.measures) : '-',
        job.submittedAt ? formatTime(job.submittedAt) : '-',
        ...(hasReasons ? [excerpt(job.waiting?.message ?? job.error?.message ?? '', longestReason)] : []),
      ];
    }),
    width,
    style,
  );
}

/** A job that has ended, with its last evaluation beside the published figure. */
export function renderJob(job: Job, options: ResultOptions): string {
  const { startedAt, endedAt, lastMetaStep } = job;
  const wallSeconds = startedAt && endedAt ? (endedAt.getTime() - startedAt.getTime()) / 1000 : 0;
  return renderResult(runResult(job, wallSeconds, lastMetaStep?.metaStepsPerSecond ?? 0), job.spec, options);
}

export function renderJobDetails(received: Job, options: ResultOptions): string {
  const job = printableRecord(received);
  const { style } = options;
  const parts = [job.endedAt ? renderJob(job, options) : progressLine(viewOf(job), options.width, style)];
  parts.push(
    fields(
      [
        ['id', job.jobId],
        ...(['submittedAt', 'startedAt', 'endedAt'] as const).flatMap((name) => {
          const time = job[name];
          return time ? [[name.replace('At', ''), formatTime(time)] as const] : [];
        }),
        ...(job.endedAt ? [] : privacyFields(job.spec, job.steps)),
        ...(job.overrides.length > 0 && !job.endedAt ? [changedField(job.overrides)] : []),
        ...(job.pace ? [['meta-steps', paceText(job.pace)] as const] : []),
        ...(job.waiting ? [['waits', style.yellow(job.waiting.message)] as const] : []),
        ['engine', job.engineFingerprint || 'not chosen yet'],
        ...(job.plugins.length > 0 ? [['plugins', job.plugins.map(describePlugin).join(', ')] as const] : []),
        ...(job.data.length > 0 ? [['data', describeData(job.data)] as const] : []),
      ],
      style,
    ),
  );
  if (job.evaluations.length > 0) {
    const rows = job.evaluations.map((evaluation) => [
      formatCount(evaluation.step),
      headline(evaluation.measures, job.spec.published?.measure),
    ]);
    const columns = [{ title: 'meta-step', align: 'right' } as const, { title: 'result' }];
    parts.push(`${style.bold('Evaluations')}\n${table(columns, rows, style, 2)}`);
  }
  if (job.checkpoints.length > 0) {
    const columns = [
      { title: 'meta-step', align: 'right' } as const,
      { title: 'size', align: 'right' } as const,
      { title: 'SHA-256' },
    ];
    const rows = job.checkpoints.map(({ step, bytes, sha256 }) => [formatCount(step), formatBytes(bytes), sha256]);
    parts.push(`${style.bold('Checkpoints')}\n${table(columns, rows, style, 2)}`);
  }
  parts.push(`${style.bold('Job file, with every default')}\n${printableLines(yamlText(received.spec)).trimEnd()}`);
  return parts.join('\n\n');
}
