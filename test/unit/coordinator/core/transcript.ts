// Tells a story of the core as text: each event with its time, and under it the effects that it
// leads to. A new event or effect needs its words here. Heartbeats and ticks
// that lead to nothing are left out. The state's invariants are checked after every event.
import assert from 'node:assert/strict';
import type { CoreEffect } from '../../../../coordinator/core/effect.ts';
import type { CoreEvent, HeldShard, Untimed } from '../../../../coordinator/core/event.ts';
import { describeShard } from '../../../../coordinator/core/meta-steps.ts';
import {
  anyLeaseOf,
  type CoreOptions,
  type CoreState,
  createState,
  defaultCoreOptions,
  type JobPlan,
  type RequestPlan,
  tickMsOf,
  workOf,
} from '../../../../coordinator/core/state.ts';
import { step } from '../../../../coordinator/core/step.ts';
import { MetatrainError } from '../../../../shared/errors.ts';
import { checkState } from '../../../simulation/invariants.ts';
import { defaultPlan } from './harness.ts';

export class Transcript {
  readonly state: CoreState;
  readonly #lines: string[];
  readonly #startMs = 1_000;
  #now = this.#startMs;
  readonly #connections = new Map<string, number>();
  #lastConnection = 0;
  /** Workers that send no heartbeat. */
  readonly silent = new Set<string>();

  constructor(title: string, options: Partial<CoreOptions> = {}) {
    this.#lines = [title];
    this.state = createState({ ...defaultCoreOptions, startId: 's', ...options });
    this.#tell({ kind: 'tick' });
  }

  get text(): string {
    return `${this.#lines.join('\n')}\n`;
  }

  /** A sentence for the reader. */
  say(text: string): void {
    this.#lines.push('', `# ${text}`);
  }

  /** Time passes, second by second of heartbeats and ticks. */
  wait(seconds: number): void {
    const tickMs = tickMsOf(this.state.options);
    for (const end = this.#now + seconds * 1_000; this.#now < end; ) {
      this.#now += tickMs;
      for (const { workerId, connection } of this.state.workers.values()) {
        if (!this.silent.has(workerId)) this.#tell({ kind: 'workerSeen', workerId, connection });
      }
      this.#tell({ kind: 'tick' });
    }
  }

  submit(plan: Partial<JobPlan> = {}): void {
    this.#tell({ kind: 'jobSubmitted', plan: { ...defaultPlan, batchSize: 4, shardSize: 2, iterations: 1, ...plan } });
  }

  request(kind: 'jobCancelRequested' | 'jobPauseRequested' | 'jobResumeRequested', jobId = 'j'): void {
    this.#tell({ kind, jobId });
  }

  ask(plan: Partial<RequestPlan> & Pick<RequestPlan, 'requestId'>): void {
    const usual = {
      work: 'adapt',
      learnerId: 'omniglot',
      engine: 'compiled/cpu',
      plugins: [],
      patienceMs: 60_000,
    } as const;
    this.#tell({ kind: 'requestSubmitted', plan: { ...usual, ...plan } });
  }

  withdraw(requestId: string): void {
    this.#tell({ kind: 'requestCancelled', requestId });
  }

  restore(plan: Partial<JobPlan>, from: Partial<Omit<Extract<CoreEvent, { kind: 'jobRestored' }>, 'plan'>>): void {
    const nothing = {
      step: 0,
      hasParams: true,
      hasStarted: true,
      isPaused: false,
      fingerprint: 'f',
      evaluatedSteps: [],
    };
    const whole = { ...defaultPlan, batchSize: 4, shardSize: 2, iterations: 1, ...plan };
    this.#tell({ kind: 'jobRestored', plan: whole, ...nothing, hasFinalCheckpoint: false, ...from });
  }

  connect(workerId: string, { slots = 1, fingerprint = 'f' } = {}): void {
    this.#lastConnection += 1;
    this.#connections.set(workerId, this.#lastConnection);
    this.#tell({
      kind: 'workerConnected',
      ...this.#from(workerId),
      engine: 'compiled/cpu',
      fingerprint,
      plugins: [],
      slots,
    });
  }

  disconnect(workerId: string, reason = 'the stream was lost'): void {
    this.#tell({ kind: 'workerDisconnected', ...this.#from(workerId), reason });
  }

  drain(workerId: string): void {
    this.#tell({ kind: 'workerDraining', ...this.#from(workerId) });
  }

  offer(workerId: string, held: readonly HeldShard[]): void {
    this.#tell({ kind: 'resultsOffered', ...this.#from(workerId), held });
  }

  /** The worker's result of a lease, as the runner passes it on: late where the lease does not live. */
  result(workerId: string, leaseId: string, { nonFiniteTasks = [] as number[], isPresentedAgain = false } = {}): void {
    const from = this.#from(workerId);
    const lease = this.state.leases.get(leaseId);
    if (lease?.worker.connection !== from.connection) {
      this.#tell({ kind: 'lateResultArrived', ...from, leaseId });
      return;
    }
    this.#tell({ kind: 'resultArrived', ...from, leaseId, work: workOf(lease), nonFiniteTasks, isPresentedAgain });
  }

  /**
   * The results of all leases that the workers hold, the oldest first, `seconds` after the one
   * before; over and over, `rounds` times.
   */
  results(rounds = 1, seconds = 1): void {
    for (let round = 0; round < rounds; round += 1) {
      for (const { leaseId, worker } of [...this.state.leases.values()]) {
        if (!this.state.leases.has(leaseId)) continue;
        this.#now += seconds * 1_000;
        this.result(worker.workerId, leaseId);
      }
    }
  }

  fail(workerId: string, leaseId: string, message: string, isRejected = false): void {
    const code = isRejected ? 'REQUEST_INVALID' : 'INTERNAL';
    this.#tell({
      kind: 'shardFailed',
      ...this.#from(workerId),
      leaseId,
      code,
      message,
      isPermanent: false,
      isRejected,
    });
  }

  checkpointWritten(step: number, jobId = 'j'): void {
    this.#tell({ kind: 'checkpointWritten', jobId, step });
  }

  disk(news: Untimed<Extract<CoreEvent, { kind: 'roomMissing' | 'roomSeen' }>>): void {
    this.#tell(news);
  }

  #from(workerId: string): { readonly workerId: string; readonly connection: number } {
    return { workerId, connection: this.#connections.get(workerId) ?? assert.fail(`${workerId} never connected`) };
  }

  /** Reductions are answered at once, as the runner does. */
  #tell(untimed: Untimed): void {
    const event = { ...untimed, at: this.#now } as CoreEvent;
    const told = describeEvent(event);
    const lines: string[] = [];
    let effects: readonly CoreEffect[] = [];
    try {
      effects = step(this.state, event);
      for (const effect of effects) lines.push(describeEffect(this.state, effect));
    } catch (thrown) {
      if (!(thrown instanceof MetatrainError)) throw thrown;
      lines.push(`refused: ${thrown.code}, ${thrown.message}`);
    }
    checkState(this.state);
    const isRoutine = event.kind === 'tick' || event.kind === 'workerSeen';
    if (!isRoutine || lines.length > 0) {
      const time = `${((this.#now - this.#startMs) / 1_000).toFixed(1)} s`.padStart(8);
      this.#lines.push(`${time}  ${told}`, ...lines.map((line) => `            -> ${line}`));
    }
    for (const effect of effects) if (effect.kind === 'reduce') this.#tell({ kind: 'reduced', jobId: effect.jobId });
  }
}

const seconds = (ms: number): string => `${ms / 1_000} s`;

const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;

function describePlan({ iterations, batchSize, shardSize, evaluation, checkpointEvery, ...rest }: JobPlan): string {
  const { onNonFinite, priority, maxStaleness } = rest;
  return [
    `${plural(iterations, 'meta-step')} of ${batchSize} tasks in shards of ${shardSize}`,
    ...(evaluation.every > 0 ? [`an evaluation of ${evaluation.tasks} tasks every ${evaluation.every}`] : []),
    ...(checkpointEvery > 0 ? [`a checkpoint every ${checkpointEvery}`] : []),
    ...(onNonFinite === 'skip' ? ['tasks that are not finite are skipped'] : []),
    ...(priority === 1 ? [] : [`priority ${priority}`]),
    ...(maxStaleness > 0 ? [`staleness up to ${maxStaleness}`] : []),
  ].join(', ');
}

const describeHeld = ({ jobId, work, step, shard }: HeldShard): string =>
  `${work} ${step}, shard ${shard} of job ${jobId}`;

function describeEvent(event: CoreEvent): string {
  switch (event.kind) {
    case 'tick':
      return 'time passes';
    case 'jobSubmitted':
      return `job ${event.plan.jobId} is submitted: ${describePlan(event.plan)}`;
    case 'jobRestored': {
      const { plan, step, hasParams, hasStarted, isPaused, fingerprint, evaluatedSteps, hasFinalCheckpoint } = event;
      const facts = [
        describePlan(plan),
        hasParams ? `${plural(step, 'meta-step')} applied` : 'no parameters yet',
        isPaused ? 'paused' : hasStarted ? 'running' : 'queued',
        ...(fingerprint === undefined ? [] : [`fingerprint ${fingerprint}`]),
        ...(evaluatedSteps.length > 0 ? [`evaluated after ${evaluatedSteps.join(' and ')}`] : []),
        ...(hasFinalCheckpoint ? ['with its final checkpoint'] : []),
        ...(event.leftOut ?? []).map((text) => `left out: ${text}`),
      ];
      return `job ${plan.jobId} is found on the disk: ${facts.join(', ')}`;
    }
    case 'jobCancelRequested':
      return `a client cancels job ${event.jobId}`;
    case 'jobPauseRequested':
      return `a client pauses job ${event.jobId}`;
    case 'jobResumeRequested':
      return `a client resumes job ${event.jobId}`;
    case 'requestSubmitted': {
      const { requestId, work, learnerId, patienceMs } = event.plan;
      return `request ${requestId} is submitted: ${work} with learner ${learnerId}, within ${seconds(patienceMs)}`;
    }
    case 'requestCancelled':
      return `nobody waits for request ${event.requestId} any more`;
    case 'workerConnected':
      return `${event.workerId} connects: ${event.engine}, fingerprint ${event.fingerprint}, ${plural(event.slots, 'slot')}`;
    case 'workerDisconnected':
      return `${event.workerId} disconnects: ${event.reason}`;
    case 'workerSeen':
      return `${event.workerId} sends a heartbeat`;
    case 'workerDraining':
      return `${event.workerId} says that it is about to leave`;
    case 'resultsOffered':
      return `${event.workerId} still holds results: ${event.held.map(describeHeld).join('; ')}`;
    case 'shardProgressed':
      return `${event.workerId} ${event.isStarting ? 'prepares to compute' : 'computes'} lease ${event.leaseId}`;
    case 'resultArrived': {
      const again = event.isPresentedAgain ? ', computed before' : '';
      const tasks = event.nonFiniteTasks.length > 0 ? `, not finite in task ${event.nonFiniteTasks.join(' and ')}` : '';
      return `${event.workerId} sends a result of lease ${event.leaseId}${again}${tasks}`;
    }
    case 'lateResultArrived':
      return `${event.workerId} sends a late result of lease ${event.leaseId}`;
    case 'shardFailed': {
      const { workerId, leaseId, message, code, isRejected } = event;
      return isRejected
        ? `${workerId} sends a result of lease ${leaseId} that is rejected: ${code}, ${message}`
        : `${workerId} fails at lease ${leaseId}: ${code}, ${message}`;
    }
    case 'roomMissing': {
      const whose = event.jobId === undefined ? 'every job' : `job ${event.jobId}`;
      return `the disk refuses what ${whose} must write, ${event.neededBytes} bytes are needed: ${event.reason}`;
    }
    case 'roomSeen':
      return `the disk has ${event.freeBytes} bytes free`;
    case 'reduced':
      return `the runner has reduced the batch of job ${event.jobId}`;
    case 'ensembleLoaded':
      return `${event.members.length} checkpoints of job ${event.jobId} have been read`;
    case 'checkpointWritten':
      return `the checkpoint of job ${event.jobId} after ${plural(event.step, 'meta-step')} is on the disk`;
    case 'jobBroken':
      return `job ${event.jobId} cannot go on: ${event.code}, ${event.message}`;
    default:
      return event satisfies never;
  }
}

function describeReduction({ work, step }: Extract<CoreEffect, { kind: 'reduce' }>): string {
  switch (work) {
    case 'initialize':
      return 'adopt the first meta-parameters';
    case 'train':
      return `apply meta-step ${step}`;
    case 'span':
      return `adopt the span from meta-step ${step} on`;
    case 'evaluate':
      return `sum up the evaluation after ${plural(step, 'meta-step')}`;
    default:
      return work satisfies never;
  }
}

function describeEffect(state: CoreState, effect: CoreEffect): string {
  switch (effect.kind) {
    case 'sendLease': {
      const lease = anyLeaseOf(state, effect.leaseId);
      if (lease.kind === 'request') {
        const { requestId, work } = lease.request.plan;
        const again = lease.attempt > 1 ? `attempt ${lease.attempt}, ` : '';
        const within = `${again}within ${seconds(effect.deadlineMs)}`;
        return `lease ${effect.leaseId} to ${lease.worker.workerId}: ${work} for request ${requestId}, ${within}`;
      }
      const { job, batch, shard, worker, attempt, isSpeculative, paramsVersion } = lease;
      const ofJob = job.plan.jobId === 'j' ? '' : ` of job ${job.plan.jobId}`;
      const notes = [
        ...(isSpeculative ? ['beside the worker that has it'] : attempt > 1 ? [`attempt ${attempt}`] : []),
        ...(paramsVersion === batch.step ? [] : [`with parameters of version ${paramsVersion}`]),
        `within ${seconds(effect.deadlineMs)}`,
      ];
      return `lease ${effect.leaseId} to ${worker.workerId}: ${describeShard(batch, shard)}${ofJob}, ${notes.join(', ')}`;
    }
    case 'cancelLease': {
      const { worker } = anyLeaseOf(state, effect.leaseId);
      return `${worker.workerId} shall drop lease ${effect.leaseId} (${effect.cause}): ${effect.reason}`;
    }
    case 'stopSpan':
      return `the span of lease ${effect.leaseId} shall end early`;
    case 'disconnectWorker':
      return `the stream of ${effect.workerId} is closed: ${effect.code}, ${effect.message}`;
    case 'keepResult':
      return `the result of lease ${effect.leaseId} counts`;
    case 'requestDone':
      return `request ${effect.requestId} is answered with the result of lease ${effect.leaseId}`;
    case 'requestFailed':
      return `request ${effect.requestId} fails: ${effect.code}, ${effect.message}`;
    case 'dropResult':
      return `the result does not count, and ${effect.workerId} is told why: ${effect.reason}`;
    case 'reduce':
      return `every shard is in: ${describeReduction(effect)}`;
    case 'loadEnsemble':
      return `read the checkpoints of job ${effect.jobId} that are tested together`;
    case 'writeCheckpoint':
      return `write the ${effect.purpose} checkpoint of job ${effect.jobId}, after ${plural(effect.step, 'meta-step')}`;
    case 'changeJobState': {
      const code = effect.failure ? `${effect.failure.code}, ` : '';
      return `job ${effect.jobId}: ${effect.state} (${code}${effect.reason})`;
    }
    case 'reportQuarantine':
      return `${effect.workerId} is quarantined for ${seconds(effect.coolDownMs)}: ${effect.reason}`;
    case 'reportLetBack':
      return `${effect.workerId} is let back: ${effect.reason}`;
    case 'reportWait':
      return `job ${effect.jobId}: ${effect.reason}`;
    case 'reportRetry':
      return `the ${anyLeaseOf(state, effect.leaseId).kind} of lease ${effect.leaseId} waits for another worker (${effect.cause}): ${effect.reason}`;
    default:
      return effect satisfies never;
  }
}
