// The jobs of the overview: all unfinished jobs and the newest ended ones, so that an open page
// does not grow for ever.
import type { JobList, JobRow } from '../shared/http-api.ts';
import type { Waiting } from '../shared/waiting.ts';
import { get } from './api.ts';
import { hasEnded } from './words.ts';

/** Additional jobs for each request for older ones. */
const step = 50;
const maxPageSize = 500;

const rankOf = ({ state }: JobRow): number => (state === 'running' ? 0 : hasEnded(state) ? 2 : 1);

export class KeptJobs {
  readonly #jobs = new Map<string, JobRow>();
  #limit = step;
  #hasOlder = false;

  /** Whether more jobs exist than are kept. */
  get hasOlder(): boolean {
    return this.#hasOlder;
  }

  find(jobId: string): JobRow | undefined {
    return this.#jobs.get(jobId);
  }

  keep(job: JobRow): void {
    this.#jobs.set(job.jobId, job);
  }

  /** @param waiting jobs that compute nothing, by id. */
  wait(waiting: Readonly<Record<string, Waiting>>): void {
    for (const job of this.#jobs.values()) {
      const { waiting: before, ...rest } = job;
      const now = waiting[job.jobId];
      if (before?.message !== now?.message) this.keep({ ...rest, ...(now && { waiting: now }) });
    }
  }

  /**
   * The jobs: those at work first, then those that wait, then the ended ones, each newest first.
   * Removes jobs above the limit.
   */
  rows(): readonly JobRow[] {
    const all = [...this.#jobs.values()].sort((a, b) => (a.submittedAt < b.submittedAt ? 1 : -1));
    const rows = all
      .filter(({ state }, i) => i < this.#limit || !hasEnded(state))
      .sort((a, b) => rankOf(a) - rankOf(b));
    if (rows.length === all.length) return rows;
    this.#hasOlder = true;
    const kept = new Set(rows);
    for (const job of all) if (!kept.has(job)) this.#jobs.delete(job.jobId);
    return rows;
  }

  clear(): void {
    this.#jobs.clear();
  }

  /** Fetches the newest jobs and the unfinished ones. @throws ApiFailure */
  async load(signal?: AbortSignal): Promise<void> {
    const [newest, open] = await Promise.all([
      this.#ask('', this.#limit, signal),
      this.#ask('&state=queued&state=running&state=paused', maxPageSize, signal),
    ]);
    this.#hasOlder = newest.hasMore;
    for (const job of [...newest.jobs, ...open.jobs]) {
      // The job may have ended meanwhile.
      const known = this.#jobs.get(job.jobId);
      if (!known || !hasEnded(known.state) || hasEnded(job.state)) this.#jobs.set(job.jobId, job);
    }
  }

  /** @throws ApiFailure */
  async loadOlder(): Promise<void> {
    this.#limit += step;
    await this.load();
  }

  async #ask(query: string, count: number, signal: AbortSignal | undefined) {
    const jobs: JobRow[] = [];
    for (let token = ''; ; ) {
      const size = Math.min(maxPageSize, count - jobs.length);
      const page = await get<JobList>(
        `/jobs?page_size=${size}&page_token=${encodeURIComponent(token)}${query}`,
        signal,
      );
      jobs.push(...page.jobs);
      token = page.nextPageToken;
      if (token === '' || jobs.length >= count) return { jobs, hasMore: token !== '' };
    }
  }
}
