// Writes what the core reports into the log and a job's events, and tells observers: retries,
// quarantines, waits. Changes no state.
import type { Logger } from '../shared/log.ts';
import type { CoreEffect } from './core/effect.ts';
import type { JobBook } from './jobs/job-book.ts';
import type { Observer } from './observers/happenings.ts';

export type Report = Extract<CoreEffect, { kind: 'reportRetry' | 'reportQuarantine' | 'reportLetBack' | 'reportWait' }>;

export interface ReportDependencies {
  readonly book: JobBook;
  readonly log: Logger;
  readonly observer: Observer;
}

/** @param at now, to be shown. */
export function tellReport(report: Report, at: number, { book, log, observer }: ReportDependencies): void {
  switch (report.kind) {
    case 'reportQuarantine': {
      const { workerId, coolDownMs, reason } = report;
      log.warn({ workerId, coolDownMs, reason }, 'a worker keeps failing and is quarantined');
      observer.workerQuarantined?.({ ...report, at });
      break;
    }
    case 'reportLetBack':
      log.info({ workerId: report.workerId }, 'a quarantined worker has proved itself and is let back');
      observer.workerLetBack?.({ ...report, at });
      break;
    case 'reportWait': {
      const { jobId, reason } = report;
      const record = book.record(jobId);
      log.warn({ jobId, reason }, 'a job waits for workers, or goes on');
      book.append(record, at, { kind: 'stateChanged', state: record.state, reason });
      break;
    }
    case 'reportRetry': {
      const { kind: _, lease, cause, jobId, step: metaStep, ...rest } = report;
      log.warn({ jobId, metaStep, ...rest }, 'shard goes to another worker');
      book.append(book.record(jobId), at, { kind: 'shardRetried', metaStep, ...rest });
      observer.shardRetried?.({ at, lease, cause, jobId, metaStep, ...rest });
      break;
    }
    default:
      report satisfies never;
  }
}
