// Shows a job's progress until it ends: live on a terminal, otherwise a line from time to time.
// Evaluations and state changes get a line of their own.
import type { MetatrainClient } from '../metatrain-client.ts';
import type { PatienceOptions } from '../patience.ts';
import { hasEnded, type Job, type JobEvent } from '../records.ts';
import type { CommandContext } from './context.ts';
import { applyEvent, noteFor, progressLine, viewOf } from './render/progress.ts';

export interface FollowOptions {
  /** Called with each event. */
  readonly onEvent?: (event: JobEvent) => void;
  readonly signal?: AbortSignal;
  /** Default: the client's own for watches, none for the calls before and after. */
  readonly patience?: PatienceOptions;
}

/** After an interruption: only the watching has stopped. */
export const jobsGoOn = (jobIds: readonly string[]): string =>
  `the cluster works on; to watch again: metatrain jobs watch ${jobIds.join(' ')}`;

/** @returns the job after it has ended. @throws MetatrainError; the signal's reason, when aborted. */
export async function followJob(
  client: MetatrainClient,
  jobId: string,
  { terminal, signal: interrupted }: Pick<CommandContext, 'terminal' | 'signal'>,
  options: FollowOptions = {},
): Promise<Job> {
  const { signal = interrupted, patience = {} } = options;
  const job = await client.getJob(jobId, { signal, ...patience });
  if (hasEnded(job.state)) return job;
  let view = viewOf(job);
  try {
    for await (const event of client.watchJob(jobId, { signal, ...patience })) {
      options.onEvent?.(event);
      view = applyEvent(view, event);
      const note = noteFor(event, view.name);
      if (note !== undefined) terminal.note(note);
      const shown = view;
      if (event.kind === 'metaStep')
        terminal.progress(jobId, (width) => progressLine(shown, width, terminal.noteStyle));
    }
  } finally {
    terminal.endProgress(jobId);
  }
  return client.getJob(jobId, { signal, ...patience });
}
