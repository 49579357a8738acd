// The controller's knowledge of each resource's job, by the resource's uid. It is kept in memory only: a
// new controller learns it again from the resource's status and the coordinator.
import type { JobSummary } from '../../client/records.ts';
import type { MetaTrainJob } from './resource.ts';
import { type SeenJob, type Sighting, seenOfSummary, type Trouble } from './sighting.ts';

export interface Known {
  sighting: Sighting;
  trouble: Trouble | undefined;
  /** When its status was last written, on the monotonic clock. */
  wroteMs: number;
}

export class KnownJobs {
  readonly #known = new Map<string, Known>();

  of({ metadata: { uid = '' } }: MetaTrainJob): Known {
    let known = this.#known.get(uid);
    if (!known) {
      known = { sighting: { kind: 'unseen' }, trouble: undefined, wroteMs: Number.NEGATIVE_INFINITY };
      this.#known.set(uid, known);
    }
    return known;
  }

  /** Forgets all but these. */
  keepOnly(resources: Iterable<MetaTrainJob>): void {
    const uids = new Set([...resources].map(({ metadata }) => metadata.uid));
    for (const uid of this.#known.keys()) if (!uids.has(uid)) this.#known.delete(uid);
  }

  see(resource: MetaTrainJob, job: SeenJob, at: number): void {
    const known = this.of(resource);
    known.sighting = { kind: 'seen', at, job };
    known.trouble = undefined;
  }

  /**
   * Takes the resource's job from a list of all unfinished jobs. A job that is not in the list has ended
   * or is unknown to the coordinator, and must be asked for by its id.
   *
   * @returns false when nothing is new.
   */
  compare(resource: MetaTrainJob, listed: ReadonlyMap<string, JobSummary>, askedAt: number): boolean {
    const known = this.of(resource);
    const { sighting } = known;
    if (sighting.kind === 'refused' || sighting.kind === 'forgotten') return false;
    // Newer than the list.
    if (sighting.kind === 'seen' && sighting.at >= askedAt) return false;
    const jobId = sighting.kind === 'seen' ? sighting.job.jobId : resource.status?.jobId;
    const job = jobId === undefined ? undefined : listed.get(jobId);
    known.sighting = job ? { kind: 'seen', at: askedAt, job: seenOfSummary(job) } : { kind: 'unseen' };
    if (sighting.kind !== 'seen' || known.sighting.kind !== 'seen') return sighting.kind !== known.sighting.kind;
    return JSON.stringify(sighting.job) !== JSON.stringify(known.sighting.job);
  }
}
