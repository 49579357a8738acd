// The data that survives a crash of the simulated coordinator: records, and checkpoints that may
// tear. Writes take time. A write that is under way at a crash is missing or torn, under a name
// that no record contains.
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
  /** Paused by the coordinator, for want of room. */
  waitsForRoom: boolean;
  reason: string;
  hasStarted: boolean;
  fingerprint: string | undefined;
  /** Oldest first. */
  checkpoints: SavedCheckpoint[];
  evaluations: Map<number, number>;
  /**
   * The newest meta-step with its chain on the disk: recomputed meta-steps must reach the chain.
   */
  chainHead: { readonly step: number; readonly chain: number } | undefined;
  final: SavedTraining | undefined;
}

export class SimulatedDisk {
  readonly jobs = new Map<string, SavedJob>();
  /** While set, checkpoints wait and no paused job goes on. */
  isFull = false;
}
