// What survives a crash of the simulated coordinator: records, and checkpoints that may tear. A write takes time; one under way when the
// coordinator dies is not there, or is there torn, under a name that no record holds.
import type { JobPlan } from '../../coordinator/core/state.ts';

export interface SavedTraining {
  readonly step: number;
  readonly params: number;
  readonly chain: number;
}

export interface SavedCheckpoint {
  readonly training: SavedTraining;
  isTorn: boolean;
}

export interface SavedJob {
  readonly plan: JobPlan;
  state: 'queued' | 'running' | 'paused' | 'succeeded' | 'failed' | 'cancelled';
  /** Paused by itself, for want of room. */
  waitsForRoom: boolean;
  reason: string;
  hasStarted: boolean;
  fingerprint: string | undefined;
  /** Oldest first. */
  checkpoints: SavedCheckpoint[];
  evaluations: Map<number, number>;
  /** The newest meta-step whose chain is on the disk: what is recomputed must come by it. */
  chainHead: { readonly step: number; readonly chain: number } | undefined;
  final: SavedTraining | undefined;
}

export class SimulatedDisk {
  readonly jobs = new Map<string, SavedJob>();
  /** While set, checkpoints wait and no job goes on. */
  isFull = false;
}
