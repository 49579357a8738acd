// Turns that are long against what a change of jobs costs. A worker without room for the programs of
// all jobs opens one again at every change between them; where it says so, the job goes on before
// others of its priority for a stretch. Those catch up afterwards, since they have been served less.
import type { CoreState, Job } from './state.ts';

/** Undefined when the job is in none. */
export const stretchOf = ({ served, stretch }: Job): Job['stretch'] =>
  stretch && served < stretch.to ? stretch : undefined;

/**
 * The job's program was opened again, in `reopenMs`: it goes on before others, the stretch that began
 * first before later ones.
 */
export function beginStretch({ now, options }: CoreState, job: Job, reopenMs: number): void {
  const stretch = stretchOf(job) ?? { sinceMs: now, from: job.served, to: job.served };
  const to = Math.min(job.served + options.stretchFactor * reopenMs, stretch.from + options.stretchCeilingMs);
  job.stretch = { ...stretch, to: Math.max(stretch.to, to) };
}
