// Commands take the first characters of a job's id for the whole.
import { MetatrainError } from '../../shared/errors.ts';
import type { MetatrainClient } from '../metatrain-client.ts';

const wholeId = /^[0-9a-f]{16}$/;
const beginningOfId = /^[0-9a-f]{1,15}$/;
/** Jobs that an error names. */
const longestList = 5;

/**
 * The id that begins with `text`. A text that cannot begin one, or begins none, is returned as it is,
 * and the coordinator's own error names it.
 *
 * @throws MetatrainError `REQUEST_INVALID` when several jobs' ids begin with it.
 */
export async function jobIdOf(client: MetatrainClient, text: string, signal: AbortSignal): Promise<string> {
  if (wholeId.test(text) || !beginningOfId.test(text)) return text;
  const found: string[] = [];
  for await (const { jobId, name } of client.listJobs({ pageSize: 500, signal })) {
    if (jobId.startsWith(text)) found.push(`${jobId} (${name})`);
  }
  if (found.length > 1) {
    const others = found.length > longestList ? ` and ${found.length - longestList} more` : '';
    throw new MetatrainError(
      'REQUEST_INVALID',
      `${found.length} job ids begin with ${text}: ${found.slice(0, longestList).join(', ')}${others}; give more characters`,
    );
  }
  return found[0]?.split(' ', 1)[0] ?? text;
}

/** The same for several, in their order. */
export const jobIdsOf = (client: MetatrainClient, texts: readonly string[], signal: AbortSignal): Promise<string[]> =>
  Promise.all(texts.map((text) => jobIdOf(client, text, signal)));
