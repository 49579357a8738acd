// The worker's metrics. Counters are added to as things happen; gauges (slots, memory, the
// connection) are read at each scrape. Every series exists from the start. Knows no job: the
// coordinator reports on jobs.
import { Meter, secondsBuckets } from '../shared/metrics/meter.ts';
import { type PoolCensus, slotStates } from './compute/pool-happening.ts';
import type { WorkerObserver } from './observer.ts';

export interface WorkerMetricsOptions {
  readonly workerId: string;
  readonly version: string;
  readonly engine: string;
  readonly device: string;
  /** The limit for all compute threads together, compared with predictions. */
  readonly memoryBytes: number;
  /**
   * When the certificate that it shows to the coordinator expires, in milliseconds since 1970;
   * undefined without a certificate.
   */
  readonly certificateExpiresAt?: () => number | undefined;
}

/** What the metrics read at each scrape. */
export interface WorkerView {
  census(): PoolCensus;
  isConnected(): boolean;
  /** The largest resident memory of the process so far. */
  peakResidentBytes(): number;
}

const works = ['initialize', 'train', 'span', 'evaluate', 'encode', 'adapt', 'predict'] as const;

type Tree = ReturnType<typeof declareTree>;

export class WorkerMetrics {
  readonly meter = new Meter();
  readonly #tree: Tree;
  #view: WorkerView | undefined;

  constructor(options: WorkerMetricsOptions) {
    this.#tree = declareTree(this.meter);
    this.#readAtScrape(options);
  }

  /** The gauges read from this view from now on. */
  attend(view: WorkerView): void {
    this.#view = view;
  }

  readonly observer: WorkerObserver = {
    compiled: ({ report: { traceMs, optimizeMs, sessionMs, isSessionShared } }) => {
      const { engine } = this.#tree;
      engine.trace.observe(traceMs / 1_000);
      engine.optimize.observe(optimizeMs / 1_000);
      engine.sessions[isSessionShared ? 'shared' : 'created'].add();
      if (!isSessionShared) engine.session.observe(sessionMs / 1_000);
    },
    programOpened: () => this.#tree.programs.opened.add(),
    programEvicted: () => this.#tree.programs.evicted.add(),
    shardFinished: ({ work, computeMs, engineMs }) => {
      const { shards, engine } = this.#tree;
      shards.ended[work].finished.add();
      shards.compute[work].observe(computeMs / 1_000);
      engine.run[work].add(engineMs / 1_000);
    },
    shardFailed: ({ work }) => this.#tree.shards.ended[work].failed.add(),
    shardCancelled: ({ work }) => this.#tree.shards.ended[work].cancelled.add(),
    threadDied: () => this.#tree.shards.threadsDied.add(),
    connected: () => this.#tree.connection.welcomes.add(),
    disconnected: () => this.#tree.connection.losses.add(),
    paramsReceived: ({ bytes }) => this.#tree.payload.received.add(bytes),
    resultSent: ({ isHeld, bytes }) => {
      const { payload } = this.#tree;
      payload.results[isHeld ? 'held' : 'computed'].add();
      payload.sent.add(bytes);
    },
  };

  #readAtScrape(options: WorkerMetricsOptions): void {
    const { workerId, version, engine, device, memoryBytes, certificateExpiresAt } = options;
    const { meter } = this;
    const view = () => this.#view;
    const labels = { worker_id: workerId, version, engine, device };
    meter.series(
      'gauge',
      'metatrain_worker_info',
      "Always 1; the labels have the worker's id, version, engine and device.",
      ['worker_id', 'version', 'engine', 'device'],
      () => [{ labels, value: 1 }],
    );
    meter.gauge('metatrain_worker_connected', '1 while a coordinator gives it shards, else 0.', () =>
      view()?.isConnected() ? 1 : 0,
    );
    meter.series('gauge', 'metatrain_worker_compute_threads', 'Compute threads, by state.', ['state'], () => {
      const slots = view()?.census().slots;
      return slots ? slotStates.map((state) => ({ labels: { state }, value: slots[state] })) : [];
    });
    meter.gauge('metatrain_worker_queued_shards', 'Shards that wait for a thread.', () => view()?.census().queued);
    meter.gauge(
      'metatrain_engine_predicted_bytes',
      'Predicted memory of all open programs in all threads together, with their runs at their peaks.',
      () => view()?.census().predictedBytes,
    );
    meter.gauge(
      'metatrain_engine_memory_limit_bytes',
      'Limit of the predicted memory of all programs in all threads (--memory).',
      () => memoryBytes,
    );
    meter.gauge(
      'metatrain_worker_peak_resident_bytes',
      'Largest resident memory of the process so far: the measured peak.',
      () => view()?.peakResidentBytes(),
    );
    meter.gauge(
      'metatrain_worker_certificate_expiry_timestamp_seconds',
      "Expiry of the worker's client certificate, in seconds since 1970; absent without one.",
      () => {
        const expiresAt = certificateExpiresAt?.();
        return expiresAt === undefined ? undefined : expiresAt / 1_000;
      },
    );
  }
}

function declareTree(meter: Meter) {
  return {
    shards: {
      ended: meter.counter(
        'metatrain_worker_shards_ended_total',
        'Shards that ended here, by kind of work and outcome.',
        ['work', works],
        ['outcome', ['finished', 'failed', 'cancelled']],
      ),
      compute: meter.histogram(
        'metatrain_worker_compute_seconds',
        'Time of a finished shard in its compute thread, without opening and compiling its program, by kind of work.',
        secondsBuckets,
        ['work', works],
      ),
      threadsDied: meter.counter('metatrain_worker_threads_died_total', 'Compute threads that died.'),
    },
    programs: {
      opened: meter.counter('metatrain_worker_programs_opened_total', "Times that a thread opened a job's program."),
      evicted: meter.counter(
        'metatrain_worker_programs_evicted_total',
        "Programs of running jobs that a thread closed to make room for another job's program, since memory was too small for all.",
      ),
    },
    engine: {
      trace: meter.histogram(
        'metatrain_engine_trace_seconds',
        "Time to trace a program's task function; the count is the programs traced.",
        secondsBuckets,
      ),
      optimize: meter.histogram(
        'metatrain_engine_optimize_seconds',
        "Time of the passes over a program's graph.",
        secondsBuckets,
      ),
      sessions: meter.counter(
        'metatrain_engine_sessions_total',
        'Sessions of programs: created, or shared with a program of an equal graph.',
        ['origin', ['created', 'shared']],
      ),
      session: meter.histogram('metatrain_engine_session_seconds', 'Time to create a session.', secondsBuckets),
      run: meter.counter(
        'metatrain_engine_run_seconds_total',
        "Time in the engine's runs, by kind of work: the tensor part of the compute time.",
        ['work', works],
      ),
    },
    connection: {
      welcomes: meter.counter('metatrain_worker_connections_total', 'Times that a coordinator welcomed the worker.'),
      losses: meter.counter(
        'metatrain_worker_connection_losses_total',
        'Connections that were lost, or attempts at one that failed.',
      ),
    },
    payload: {
      received: meter.counter(
        'metatrain_worker_params_received_bytes_total',
        'Bytes of meta-parameters that came from the coordinator.',
      ),
      sent: meter.counter('metatrain_worker_results_sent_bytes_total', "Bytes of results' tensors sent."),
      results: meter.counter(
        'metatrain_worker_results_sent_total',
        'Results sent: computed for their lease, or held from a lease that was lost.',
        ['origin', ['computed', 'held']],
      ),
    },
  };
}
