// The programs that one compute thread has open: at most `limit`, the least recently used closed first. A program that failed to
// open is not kept, so the next shard tries again.

import type { DataIdentity } from '../../shared/data-identity.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { type JobSpec, parseJobSpec } from '../../shared/job-spec/index.ts';
import { PassingMap } from '../../shared/passing.ts';
import type { CompileReport } from '../engine/engine.ts';
import type { JobProgram } from '../learning/job-program.ts';
import type { JobOpening } from './protocol.ts';

export interface ProgramEvents {
  onCompiled(report: CompileReport): void;
}

export interface JobToOpen {
  readonly spec: JobSpec;
  /** Other data than this is refused; empty: any will do. */
  readonly expectedData: readonly DataIdentity[];
}

export type OpenProgram = (job: JobToOpen, events: ProgramEvents) => Promise<JobProgram>;

export interface ProgramCacheDependencies {
  readonly openProgram: OpenProgram;
  readonly onCompiled?: (jobId: string, report: CompileReport) => void;
}

export class ProgramCache {
  readonly #limit: number;
  readonly #dependencies: ProgramCacheDependencies;
  readonly #openings = new Map<string, JobOpening>();
  /** In order of use, the least recent first. */
  readonly #programs = new PassingMap<string, JobProgram>();

  constructor(options: { readonly limit: number }, dependencies: ProgramCacheDependencies) {
    this.#limit = options.limit;
    this.#dependencies = dependencies;
  }

  /** Remembers what the job is; its program is opened by its first shard. */
  openJob(jobId: string, opening: JobOpening): void {
    this.#openings.set(jobId, opening);
  }

  async closeJob(jobId: string): Promise<void> {
    this.#openings.delete(jobId);
    const program = this.#programs.get(jobId);
    this.#programs.delete(jobId);
    await program?.close();
  }

  /** @throws MetatrainError whatever opening the program throws; `JOB_UNKNOWN` when the job was never opened. */
  async programOf(jobId: string): Promise<JobProgram> {
    const kept = this.#programs.get(jobId);
    if (kept) {
      this.#programs.delete(jobId);
      this.#programs.set(jobId, kept);
      return kept;
    }
    const opening = this.#openings.get(jobId);
    if (opening === undefined) throw new MetatrainError('JOB_UNKNOWN', `job ${jobId} is not open on this worker`);
    while (this.#programs.size >= this.#limit) await this.#closeLeastRecent();
    const { openProgram, onCompiled } = this.#dependencies;
    const job = { spec: parseJobSpec(opening.spec), expectedData: opening.expectedData };
    const program = await openProgram(job, { onCompiled: (report) => onCompiled?.(jobId, report) });
    this.#programs.set(jobId, program);
    return program;
  }

  /** Frees what other jobs hold. @returns whether there was any. */
  async closeOthers(jobId: string): Promise<boolean> {
    const others = [...this.#programs.keys()].filter((other) => other !== jobId);
    for (const other of others) {
      const program = this.#programs.get(other);
      this.#programs.delete(other);
      await program?.close();
    }
    return others.length > 0;
  }

  async close(): Promise<void> {
    this.#openings.clear();
    while (this.#programs.size > 0) await this.#closeLeastRecent();
  }

  async #closeLeastRecent(): Promise<void> {
    const [jobId, program] = this.#programs[Symbol.iterator]().next().value as [string, JobProgram];
    this.#programs.delete(jobId);
    await program.close();
  }
}
