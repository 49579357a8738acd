// The reasons why an unfinished job computes nothing: a closed set of names for metrics and
// programs, and a sentence for people.

export const waitReasons = [
  /** Paused by request. */
  'paused',
  /** Waits for room on the coordinator's disk. */
  'disk',
  /** Other jobs are before it, and no more may run at once. */
  'queue',
  /** No connected worker offers its engine on its device. */
  'noWorker',
  /** No connected worker of its engine holds the plugins whose parts it uses. */
  'otherPlugin',
  /** No connected worker has the engine fingerprint that the job keeps to. */
  'otherEngine',
  /** The connected workers of its engine read other data than the job began with. */
  'otherData',
  /** Every worker that could compute it is draining or quarantined. */
  'workersHeld',
  /** Every worker that could compute it is busy with other jobs. */
  'workersBusy',
] as const;

export type WaitReason = (typeof waitReasons)[number];

export interface Waiting {
  readonly reason: WaitReason;
  /** What the job waits for, and what would help. */
  readonly message: string;
}
