// The reasons why an unfinished job computes nothing: a closed set of names for metrics and
// programs, and a sentence for people.

export const waitReasons = [
  /** Paused by request. */
  'paused',
  /** For room on the coordinator's disk. */
  'disk',
  /** As many jobs as may be computed at once are before it. */
  'queue',
  /** No connected worker offers its engine on its device. */
  'noWorker',
  /** No connected worker has the engine fingerprint that it keeps to. */
  'otherEngine',
  /** The connected workers of its engine read other data than it began with. */
  'otherData',
  /** Every worker that could compute it drains or is quarantined. */
  'workersHeld',
  /** Every worker that could compute it computes for other jobs. */
  'workersBusy',
] as const;

export type WaitReason = (typeof waitReasons)[number];

export interface Waiting {
  readonly reason: WaitReason;
  /** What it waits for, and what would help. */
  readonly message: string;
}
