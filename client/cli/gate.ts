// `--gate`: makes the exit code depend on the verdict, so that a pipeline stops when a published
// figure is missed.
import { Option } from 'commander';
import { isClaim, type Verdict } from '../../shared/comparison.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import { figuresOf } from '../../shared/measures.ts';

export const gateOption = () =>
  new Option('--gate', 'exit 1 unless the published figure of the job file is reproduced or reached');

/**
 * @throws MetatrainError `REQUEST_INVALID` for a job that can have no verdict, before anything is
 * trained.
 */
export function refuseWithoutFigure({ published }: JobSpec): void {
  if (published && Object.keys(figuresOf(published)).length > 0) return;
  throw new MetatrainError(
    'REQUEST_INVALID',
    '--gate: the job file has no published figure; accepted: a job file with one',
  );
}

export const passesGate = (verdict: Verdict | null | undefined): boolean =>
  verdict !== null && verdict !== undefined && isClaim(verdict.outcome);
