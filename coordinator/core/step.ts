// The core's one door: step(state, event) changes the state and returns what the outside must do. Synchronous and pure: no clock, no
// randomness, no I/O, no tensors. A request that cannot be granted throws a MetatrainError and changes nothing.
import type { CoreEffect } from './effect.ts';
import type { CoreEvent } from './event.ts';
import {
  cancelJob,
  checkpointWritten,
  ensembleLoaded,
  goOn,
  jobBroken,
  jobReduced,
  pauseJob,
  restoreJob,
  resumeJob,
  submitJob,
  waitForRoom,
  writeRecoveryCheckpoints,
} from './jobs.ts';
import { endCoolDowns } from './quarantine.ts';
import { cancelRequest, expireRequests, submitRequest } from './requests.ts';
import { acceptFailure, acceptResult, dropLateResult, expireLeases, noteProgress } from './results.ts';
import { duplicateSlowTail, grantLeases } from './schedule.ts';
import { stopSpans } from './spans.ts';
import { type CoreState, tickMsOf } from './state.ts';
import { reportWaits } from './waiting.ts';
import {
  connectWorker,
  disconnectWorker,
  drainWorker,
  forgivePause,
  loseSilentWorkers,
  seeWorker,
  takeOffers,
} from './workers.ts';

export function step(state: CoreState, event: CoreEvent): CoreEffect[] {
  const effects: CoreEffect[] = [];
  state.now = event.at;
  if (state.justEnded.size > 0) state.justEnded.clear();
  switch (event.kind) {
    case 'tick': {
      const sinceTickMs = state.lastTickAt > 0 ? state.now - state.lastTickAt : 0;
      const lateMs = sinceTickMs - state.options.heartbeatIntervalMs;
      if (lateMs > 0) forgivePause(state, lateMs);
      state.lastTickAt = state.now;
      loseSilentWorkers(state, effects);
      expireRequests(state, effects);
      expireLeases(state, effects);
      endCoolDowns(state);
      grantLeases(state, effects);
      // Where the coordinator stood still itself, what seems slow may just be on its way.
      if (sinceTickMs <= 2 * tickMsOf(state.options)) duplicateSlowTail(state, effects);
      stopSpans(state, effects);
      writeRecoveryCheckpoints(state, effects);
      reportWaits(state, effects);
      return effects;
    }
    case 'jobSubmitted':
      submitJob(state, event, effects);
      break;
    case 'jobRestored':
      restoreJob(state, event, effects);
      break;
    case 'jobCancelRequested':
      cancelJob(state, event, effects);
      break;
    case 'jobPauseRequested':
      pauseJob(state, event, effects);
      break;
    case 'jobResumeRequested':
      resumeJob(state, event, effects);
      break;
    case 'requestSubmitted':
      submitRequest(state, event);
      break;
    case 'requestCancelled':
      cancelRequest(state, event, effects);
      break;
    case 'workerConnected':
      connectWorker(state, event, effects);
      break;
    case 'workerDisconnected':
      disconnectWorker(state, event, effects);
      break;
    case 'workerSeen':
      seeWorker(state, event);
      return effects;
    case 'workerDraining':
      drainWorker(state, event);
      return effects;
    case 'resultsOffered':
      takeOffers(state, event);
      return effects;
    case 'shardProgressed':
      seeWorker(state, event);
      noteProgress(state, event);
      return effects;
    case 'resultArrived':
      seeWorker(state, event);
      acceptResult(state, event, effects);
      break;
    case 'lateResultArrived':
      seeWorker(state, event);
      dropLateResult(state, event, effects);
      return effects;
    case 'shardFailed':
      seeWorker(state, event);
      acceptFailure(state, event, effects);
      break;
    case 'roomMissing':
      waitForRoom(state, event, effects);
      break;
    case 'roomSeen':
      goOn(state, event, effects);
      break;
    case 'reduced':
      jobReduced(state, event, effects);
      break;
    case 'ensembleLoaded':
      ensembleLoaded(state, event);
      break;
    case 'checkpointWritten':
      checkpointWritten(state, event, effects);
      break;
    case 'jobBroken':
      jobBroken(state, event, effects);
      break;
    default:
      event satisfies never;
  }
  // The job's next shards are known once the reduction is answered, which is at once: until then its
  // slots are nobody else's.
  if (effects.some(({ kind }) => kind === 'reduce')) return effects;
  grantLeases(state, effects);
  if (state.spans.size > 0) stopSpans(state, effects);
  return effects;
}
