// Keeps computed results, since the coordinator may ask for them again: when a stream or the
// coordinator is lost, it is unknown which results arrived, and a restarted coordinator asks for
// equal work. The key of a result includes θ's hash, so a held result has exactly the bytes of a
// new computation. Bounded by bytes and number; the oldest are dropped first.
import { PassingMap } from '../shared/passing.ts';
import type { ShardOutcome, ShardOutput } from './compute/shard.ts';
import type { Lease } from './session-state.ts';

type Finished = Extract<ShardOutcome, { kind: 'finished' }>;

interface Held {
  readonly lease: Lease;
  readonly outcome: Finished;
  readonly bytes: number;
}

/** A coordinator accepts as many offers. */
const maxResults = 256;

export class HeldResults {
  readonly #maxBytes: number;
  /** By work key, the oldest first. */
  readonly #results = new PassingMap<string, Held>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  put(lease: Lease, outcome: Finished): void {
    this.#forget(lease.workKey);
    const bytes = bytesOf(outcome.output);
    if (bytes > this.#maxBytes) return;
    this.#results.set(lease.workKey, { lease, outcome, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#results.keys()) {
      if (this.#bytes <= this.#maxBytes && this.#results.size <= maxResults) return;
      this.#forget(oldest);
    }
  }

  get(workKey: string): Finished | undefined {
    return this.#results.get(workKey)?.outcome;
  }

  /** The leases of the results, the newest last. */
  leases(): Lease[] {
    return [...this.#results.values()].map(({ lease }) => lease);
  }

  forgetJob(jobId: string): void {
    for (const [key, { lease }] of this.#results) if (lease.jobId === jobId) this.#forget(key);
  }

  #forget(workKey: string): void {
    this.#bytes -= this.#results.get(workKey)?.bytes ?? 0;
    this.#results.delete(workKey);
  }
}

/** Hashes and summaries of one meta-step of a span, about. */
const bytesOfStep = 512;

function bytesOf(output: ShardOutput): number {
  switch (output.kind) {
    case 'initialize':
      return output.initial.metaParams.byteLength;
    case 'train':
      return output.payload.byteLength + (output.result.carry?.byteLength ?? 0);
    case 'span':
      return output.end.state.byteLength + output.end.steps.length * bytesOfStep;
    case 'adapt':
      return output.adapted.state.byteLength;
    case 'predict':
      return output.predictions.outputs.byteLength;
    case 'encode':
      return output.encoded.values.byteLength;
    case 'evaluate':
      return 8 * output.result.measures.reduce((sum, { values }) => sum + values.length, 0);
    default:
      return output satisfies never;
  }
}
