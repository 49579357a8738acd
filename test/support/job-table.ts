// The table of jobs rebuilt from events alone, as a consumer of the stream does it. docs/events.md
// shows this code, and a test compares the table with GetJob.
import type {
  CheckpointData,
  ClusterEvent,
  EvaluationData,
  JobStateData,
  MetaStepsData,
} from '../../shared/cluster-event.ts';

export interface JobRow {
  readonly jobId: string;
  readonly name: string;
  readonly state: JobStateData['state'];
  readonly spec: string;
  readonly steps: number;
  readonly iterations: number;
  readonly paramsSha256: string;
  readonly submittedAt: string;
  readonly startedAt?: string | undefined;
  readonly endedAt?: string | undefined;
  readonly error?: JobStateData['error'];
  readonly lastMetaStep?: MetaStepsData;
  readonly evaluations: readonly EvaluationData[];
  readonly checkpoints: readonly CheckpointData[];
}

/** @param table changed in place. */
export function applyToTable(table: Map<string, JobRow>, event: ClusterEvent): void {
  if (!event.type.startsWith('metatrain.v1.job.')) return;
  const row = table.get(event.subject) ?? emptyRow(event.subject);
  table.set(event.subject, nextRow(row, event));
}

function nextRow(row: JobRow, event: ClusterEvent): JobRow {
  switch (event.type) {
    case 'metatrain.v1.job.state_changed': {
      const { checkpoints, spec = row.spec, reason: _, jobSequence: __, ...state } = event.data;
      return { ...row, ...state, spec, checkpoints: kept(row.checkpoints, checkpoints) };
    }
    case 'metatrain.v1.job.meta_steps_applied':
      return { ...row, steps: event.data.step, lastMetaStep: event.data };
    case 'metatrain.v1.job.evaluated':
      return { ...row, evaluations: [...row.evaluations, event.data] };
    case 'metatrain.v1.job.checkpoint_written':
      return { ...row, checkpoints: kept([...row.checkpoints, event.data], event.data.checkpoints) };
    default:
      return row;
  }
}

const kept = (checkpoints: readonly CheckpointData[], steps: readonly number[]): CheckpointData[] =>
  checkpoints.filter(({ step }) => steps.includes(step));

const emptyRow = (jobId: string): JobRow => ({
  jobId,
  name: '',
  state: 'queued',
  spec: '',
  steps: 0,
  iterations: 0,
  paramsSha256: '',
  submittedAt: '',
  evaluations: [],
  checkpoints: [],
});
