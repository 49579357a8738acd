// How long a client retries while the coordinator does not answer. Each message, also an empty one,
// ends an outage and resets the time and the pauses. An error that no retry can fix is thrown at
// once.
import { asMetatrainError, type MetatrainError } from '../shared/errors.ts';
import { isTransient } from './grpc-errors.ts';

export interface PatienceOptions {
  /** How long to keep trying while the coordinator does not answer. Default 600,000 ms, as of workers. */
  readonly giveUpAfterMs?: number;
  /**
   * Called once for each outage, after the second failure, because the first retry often succeeds.
   */
  readonly onAway?: (error: MetatrainError) => void;
  /** Called when the coordinator answers again after `onAway`. */
  readonly onBack?: () => void;
}

export interface Time {
  /** Waits; rejects when the caller aborts. */
  delay(delayMs: number): Promise<void>;
  /** Milliseconds since some moment. */
  now(): number;
}

const defaultGiveUpMs = 600_000;
const firstRetryMs = 100;
const longestRetryMs = 5_000;

export class Patience {
  readonly #time: Time;
  readonly #options: PatienceOptions;
  #failingSince: number | undefined;
  #failures = 0;
  #retryMs = firstRetryMs;

  constructor(time: Time, options: PatienceOptions) {
    this.#time = time;
    this.#options = options;
  }

  /** The coordinator has answered. */
  heard(): void {
    if (this.#failures >= 2) this.#options.onBack?.();
    this.#failures = 0;
    this.#failingSince = undefined;
    this.#retryMs = firstRetryMs;
  }

  /**
   * Waits before the next try. @throws what was thrown, when another try cannot mend it or it is time
   * to give up
   */
  async failed(thrown: unknown): Promise<void> {
    const error = asMetatrainError(thrown);
    const now = this.#time.now();
    this.#failingSince ??= now;
    const { giveUpAfterMs = defaultGiveUpMs, onAway } = this.#options;
    if (!isTransient(error) || now - this.#failingSince >= giveUpAfterMs) throw thrown;
    this.#failures += 1;
    if (this.#failures === 2) onAway?.(error);
    await this.pause();
  }

  /** Each pause is longer than the one before, until the coordinator has answered. */
  async pause(): Promise<void> {
    await this.#time.delay(this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, longestRetryMs);
  }
}

/** The result of the first attempt that succeeds. @throws MetatrainError of the last one */
export async function persist<Result>(
  attempt: () => Promise<Result>,
  time: Time,
  options: PatienceOptions,
): Promise<Result> {
  const patience = new Patience(time, options);
  for (;;) {
    try {
      const result = await attempt();
      patience.heard();
      return result;
    } catch (thrown) {
      await patience.failed(thrown);
    }
  }
}
