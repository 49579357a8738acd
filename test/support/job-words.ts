// The words that a coordinator records for a job: of its parts, and of its published protocol.
import { resolveJob } from '../../learning/job.ts';
import { builtIn } from '../../learning/registry.ts';
import type { JobSpec } from '../../shared/job-spec/index.ts';

export function jobWords(spec: JobSpec) {
  const { words, publishedWords } = resolveJob(spec, builtIn);
  return { words, ...(publishedWords && { publishedWords }) };
}
