// Checks a job file as a coordinator without plugins would. Apart from the library's index, so that its
// types need none of the parts'.
import { parseJobSpec as parse } from '../learning/job-file.ts';
import type { JobSpec } from '../shared/job-spec/index.ts';

/**
 * The job file's text as a checked spec, with every default.
 *
 * @param text YAML or JSON, at most 64 KiB.
 * @param overrides `path.to.field` → YAML value, applied before the check, in order.
 * @throws MetatrainError `REQUEST_INVALID`; `details.problems` lists every field with what it got and what it accepts.
 */
export const parseJobSpec = (
  text: string,
  overrides: readonly (readonly [path: string, value: string])[] = [],
): JobSpec => parse(text, overrides);
