// The open programs of one compute thread. Only memory limits their number: when a program needs
// the memory of others, the least recently used one is closed, and its job's next shard opens it
// again. A program that failed to open is not kept, so the next shard tries again.

import { parseJobSpec } from '../../learning/job-file.ts';
import type { Registry } from '../../learning/registry.ts';
import type { DataIdentity } from '../../shared/data-identity.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import { PassingMap } from '../../shared/passing.ts';
import type { CompileReport } from '../engine/engine.ts';
import type { JobProgram } from '../learning/job-program.ts';
import type { LearnerProgram } from '../learning/learner-program.ts';
import type { Opening } from './protocol.ts';

/** What a program does with its thread. */
export interface ProgramEvents {
  onCompiled(report: CompileReport): void;
  /** To be put around what compiles: its time is none of computing. */
  compiling<Result>(compile: () => Promise<Result>): Promise<Result>;
  /** Closes the program of another job. @returns false when there is none. */
  makeRoom(): Promise<boolean>;
}

export interface JobToOpen {
  readonly spec: JobSpec;
  /** Other data than this is refused; empty: any will do. */
  readonly expectedData: readonly DataIdentity[];
}

export type OpenProgram = (job: JobToOpen, events: ProgramEvents) => Promise<JobProgram>;
export type OpenLearner = (learner: JobToOpen, events: ProgramEvents) => Promise<LearnerProgram>;

export interface ProgramCacheDependencies extends Pick<ProgramEvents, 'compiling'> {
  /** The parts that jobs may name. */
  readonly registry: Registry;
  readonly openProgram: OpenProgram;
  readonly openLearner: OpenLearner;
  readonly onCompiled?: (jobId: string, report: CompileReport) => void;
  readonly onOpened?: (jobId: string) => void;
  /** Closed to make room, although its job goes on. */
  readonly onEvicted?: (jobId: string) => void;
}

type OpenedProgram =
  | { readonly kind: 'job'; readonly program: JobProgram }
  | { readonly kind: 'learner'; readonly program: LearnerProgram };

export class ProgramCache {
  readonly #dependencies: ProgramCacheDependencies;
  readonly #openings = new Map<string, Opening>();
  /** Of jobs and of learners, in order of use, the least recent first. */
  readonly #programs = new PassingMap<string, OpenedProgram>();

  constructor(dependencies: ProgramCacheDependencies) {
    this.#dependencies = dependencies;
  }

  /** Remembers what the job, or the learner, is; its program is opened by its first shard. */
  openJob(jobId: string, opening: Opening): void {
    this.#openings.set(jobId, opening);
  }

  async closeJob(jobId: string): Promise<void> {
    this.#openings.delete(jobId);
    await this.#close(jobId);
  }

  /** @throws MetatrainError whatever opening the program throws; `JOB_UNKNOWN` when the job was never opened. */
  async programOf(jobId: string): Promise<JobProgram> {
    const opened = await this.#programOf(jobId);
    if (opened.kind === 'job') return opened.program;
    throw new MetatrainError('INTERNAL', `${jobId} is a learner, and not a job`);
  }

  /** @throws MetatrainError as `programOf` does. */
  async learnerOf(learnerId: string): Promise<LearnerProgram> {
    const opened = await this.#programOf(learnerId);
    if (opened.kind === 'learner') return opened.program;
    throw new MetatrainError('INTERNAL', `${learnerId} is a job, and not a learner`);
  }

  async #programOf(jobId: string): Promise<OpenedProgram> {
    const kept = this.#programs.get(jobId);
    if (kept) {
      this.#programs.delete(jobId);
      this.#programs.set(jobId, kept);
      return kept;
    }
    const opening = this.#openings.get(jobId);
    if (opening === undefined) throw new MetatrainError('JOB_UNKNOWN', `job ${jobId} is not open on this worker`);
    const { onCompiled, onOpened, compiling } = this.#dependencies;
    const events: ProgramEvents = {
      onCompiled: (report) => onCompiled?.(jobId, report),
      compiling,
      makeRoom: () => this.#evictFor(jobId),
    };
    const opened = await compiling(() => this.#open(opening, events));
    this.#programs.set(jobId, opened);
    onOpened?.(jobId);
    return opened;
  }

  async #open(opening: Opening, events: ProgramEvents): Promise<OpenedProgram> {
    const { registry, openProgram, openLearner } = this.#dependencies;
    const spec = parseJobSpec(opening.spec, [], registry);
    const { kind, expectedData } = opening;
    switch (kind) {
      case 'job':
        return { kind, program: await openProgram({ spec, expectedData }, events) };
      case 'learner':
        return { kind, program: await openLearner({ spec, expectedData }, events) };
      default:
        return kind satisfies never;
    }
  }

  async close(): Promise<void> {
    this.#openings.clear();
    for (const jobId of [...this.#programs.keys()]) await this.#close(jobId);
  }

  /** @returns whether there was a program of another job. */
  async #evictFor(jobId: string): Promise<boolean> {
    for (const other of this.#programs.keys()) {
      if (other === jobId) continue;
      await this.#close(other);
      this.#dependencies.onEvicted?.(other);
      return true;
    }
    return false;
  }

  async #close(jobId: string): Promise<void> {
    const opened = this.#programs.get(jobId);
    this.#programs.delete(jobId);
    await opened?.program.close();
  }
}
