// A small world for the controller's decisions: one resource, a coordinator that may be away, lose its
// state or refuse, a controller that may die between an effect and the record of it, and users. All
// from one seed, in virtual time; no promise, no socket.
import assert from 'node:assert/strict';
import { type Action, decide } from '../../../../deploy/controller/decide.ts';
import {
  finalizer,
  hasFinalizer,
  isFinished,
  type MetaTrainJob,
  type MetaTrainJobStatus,
} from '../../../../deploy/controller/resource.ts';
import type { SeenJob, Sighting } from '../../../../deploy/controller/sighting.ts';
import { urgencyOf } from '../../../../deploy/controller/transitions.ts';
import type { Rng } from '../../../../shared/rng.ts';
import { noon, resourceOf } from './situations.ts';

const giveUpMs = 30_000;
/** As many as the loop performs in a row. */
const maxActions = 12;

interface WorldJob {
  readonly jobId: string;
  state: SeenJob['state'];
  steps: number;
  startedAt: Date | undefined;
  endedAt: Date | undefined;
}

const hasEnded = ({ state }: WorldJob) => state === 'SUCCEEDED' || state === 'FAILED' || state === 'CANCELLED';

export class World {
  now = noon;
  resource: MetaTrainJob | undefined;
  /** The coordinator's jobs under the resource's key: never more than one while it keeps its state. */
  job: WorldJob | undefined;
  submissions = 0;
  timesLost = 0;
  hasGivenUp = false;
  isAway = false;
  #sighting: Sighting = { kind: 'unseen' };
  #hasAsked = false;
  readonly #isRefused: boolean;
  readonly #rng: Rng;

  constructor(rng: Rng) {
    this.#rng = rng;
    this.#isRefused = rng.below(10) === 0;
    const deadline = rng.below(3) === 0 ? { activeDeadlineSeconds: 5 + rng.below(60) } : {};
    const ttl = rng.below(3) === 0 ? { ttlSecondsAfterFinished: rng.below(60) } : {};
    const spec = { suspend: rng.below(4) === 0, ...deadline, ...ttl };
    this.resource = resourceOf({ isMarked: false, spec });
  }

  /** Something happens outside of the controller. */
  disturb(): void {
    this.now += this.#rng.below(8_000);
    switch (this.#rng.below(12)) {
      case 0:
        this.isAway = !this.isAway;
        return;
      case 1:
        if (this.job) this.timesLost += 1;
        this.job = undefined;
        return;
      case 2:
        this.crash();
        return;
      case 3:
      case 4:
        this.#edit((resource) => {
          const { generation = 1 } = resource.metadata;
          const spec = { ...resource.spec, suspend: !(resource.spec.suspend ?? false) };
          return { ...resource, metadata: { ...resource.metadata, generation: generation + 1 }, spec };
        });
        return;
      case 5:
        if (this.#rng.below(6) === 0) this.delete();
        return;
      default:
        this.#compute();
    }
  }

  /** The controller begins anew: it knows nothing. */
  crash(): void {
    this.#sighting = { kind: 'unseen' };
    this.#hasAsked = false;
  }

  delete(): void {
    const deletionTimestamp = new Date(this.now).toISOString();
    this.#edit((resource) => ({
      ...resource,
      metadata: { ...resource.metadata, deletionTimestamp: resource.metadata.deletionTimestamp ?? deletionTimestamp },
    }));
  }

  /** The controller asks the coordinator for its list, and works on the resource. */
  poll(mayFail: boolean): void {
    this.#hasAsked = true;
    if (!this.isAway && this.#sighting.kind === 'seen') {
      const { jobId } = this.#sighting.job;
      const isListed = this.job?.jobId === jobId && !hasEnded(this.job);
      this.#sighting = isListed ? this.#see(false) : { kind: 'unseen' };
    }
    for (let done = 0; ; done += 1) {
      assert.ok(done <= maxActions, 'the controller goes in a ring');
      if (!this.resource) return;
      const { action, status } = this.#decide(this.resource);
      if (!action) {
        if (status) this.#write(this.resource, status, mayFail);
        return;
      }
      if (mayFail && this.#rng.below(8) === 0) return; // The call fails before it does anything.
      this.#perform(this.resource, action);
      if (mayFail && this.#rng.below(8) === 0) {
        this.crash(); // Or its answer is lost.
        return;
      }
    }
  }

  #decide(resource: MetaTrainJob) {
    const isLong = true;
    return decide({
      resource,
      sighting: this.#sighting,
      trouble: undefined,
      coordinator: !this.#hasAsked
        ? { kind: 'unasked' }
        : this.isAway
          ? { kind: 'away', isLong, code: 'NOT_READY', message: 'away' }
          : { kind: 'reachable' },
      workers: [],
      podProblems: [],
      now: this.now,
      giveUpMs,
    });
  }

  #perform(resource: MetaTrainJob, action: Action): void {
    switch (action.kind) {
      case 'addFinalizer':
        this.#finalizers(resource, [finalizer]);
        return;
      case 'removeFinalizer':
        if (action.why === 'gaveUp') this.hasGivenUp = true;
        this.#finalizers(resource, []);
        return;
      case 'deleteResource':
        this.delete();
        return;
      case 'submit':
        assert.ok(!this.isAway && hasFinalizer(resource), 'submits only what it can cancel');
        if (this.#isRefused) {
          this.#sighting = { kind: 'refused', code: 'REQUEST_INVALID', message: 'no' };
          return;
        }
        if (!this.job) {
          this.submissions += 1;
          const jobId = `j${this.submissions}`;
          this.job = { jobId, state: 'QUEUED', steps: 0, startedAt: undefined, endedAt: undefined };
        }
        this.#sighting = this.#see(true);
        return;
      default:
        this.#control(action);
    }
  }

  #control(action: Extract<Action, { readonly jobId: string }>): void {
    const { job } = this;
    assert.ok(!this.isAway, 'asks nothing of a coordinator that is away');
    if (job?.jobId !== action.jobId) {
      this.#sighting = { kind: 'forgotten', jobId: action.jobId };
      return;
    }
    if (!hasEnded(job)) {
      if (action.kind === 'cancel') this.#end(job, 'CANCELLED');
      if (action.kind === 'pause') job.state = 'PAUSED';
      if (action.kind === 'resume') job.state = job.startedAt ? 'RUNNING' : 'QUEUED';
    }
    this.#sighting = this.#see(true);
  }

  #compute(): void {
    const { job } = this;
    if (!job || hasEnded(job) || job.state === 'PAUSED') return;
    job.startedAt ??= new Date(this.now);
    job.state = 'RUNNING';
    job.steps += 1;
    if (this.#rng.below(12) === 0) this.#end(job, this.#rng.below(4) === 0 ? 'FAILED' : 'SUCCEEDED');
  }

  #end(job: WorldJob, state: WorldJob['state']): void {
    job.state = state;
    job.endedAt = new Date(this.now);
  }

  #see(isWhole: boolean): Sighting {
    assert.ok(this.job);
    const { startedAt, endedAt, ...rest } = this.job;
    const times = { ...(startedAt && { startedAt }), ...(endedAt && { endedAt }) };
    const hash = isWhole && rest.steps > 0 ? { paramsSha256: `${rest.jobId}-${rest.steps}` } : {};
    return { kind: 'seen', at: this.now, job: { ...rest, ...times, ...hash, iterations: 100, measures: [] } };
  }

  #write(resource: MetaTrainJob, status: MetaTrainJobStatus, mayFail: boolean): void {
    if (mayFail && this.#rng.below(4) === 0) return;
    const before = resource.status;
    if (isFinished(before)) assert.deepEqual(status, before, 'a final status has changed');
    for (const { type, status: now, lastTransitionTime } of status.conditions ?? []) {
      const known = before?.conditions?.find((condition) => condition.type === type);
      if (known) assert.equal(known.lastTransitionTime === lastTransitionTime || known.status !== now, true, type);
    }
    if (urgencyOf(before, status) !== 'none') this.resource = { ...resource, status };
  }

  #finalizers(resource: MetaTrainJob, finalizers: readonly string[]): void {
    this.#edit(() => ({ ...resource, metadata: { ...resource.metadata, finalizers } }));
  }

  #edit(change: (resource: MetaTrainJob) => MetaTrainJob): void {
    if (!this.resource) return;
    const changed = change(this.resource);
    const isGone = changed.metadata.deletionTimestamp !== undefined && !hasFinalizer(changed);
    this.resource = isGone ? undefined : changed;
  }
}
