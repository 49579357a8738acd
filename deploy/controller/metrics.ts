// The controller's metrics. Counters are added to as things happen; gauges are read at each scrape.
import { Meter, secondsBuckets } from '../../shared/metrics/meter.ts';

export const actionKinds = [
  'addFinalizer',
  'submit',
  'look',
  'pause',
  'resume',
  'cancel',
  'removeFinalizer',
  'deleteResource',
  'writeStatus',
] as const;

/** What the metrics read at each scrape. */
export interface ControllerView {
  isLeading(): boolean;
  isInStep(): boolean;
  isCoordinatorReachable(): boolean;
  queued(): number;
  /** Resources by the state that their status shows. */
  states(): ReadonlyMap<string, number>;
}

export class ControllerMetrics {
  readonly meter = new Meter();
  readonly #tree = declareTree(this.meter);
  #view: ControllerView | undefined;

  constructor() {
    const { meter } = this;
    const gauge = (name: string, help: string, read: (view: ControllerView) => number | boolean) =>
      meter.gauge(name, help, () => (this.#view ? Number(read(this.#view)) : undefined));
    gauge('metatrain_controller_leading', '1 while this controller is the active one, else 0.', (view) =>
      view.isLeading(),
    );
    gauge(
      'metatrain_controller_in_step',
      '1 while the active controller follows the API server, 0 while its watch is lost.',
      (view) => view.isInStep(),
    );
    gauge('metatrain_controller_coordinator_reachable', '1 while the coordinator answers, else 0.', (view) =>
      view.isCoordinatorReachable(),
    );
    gauge('metatrain_controller_queue', 'Resources that wait to be worked on.', (view) => view.queued());
    meter.series('gauge', 'metatrain_controller_resources', 'Resources, by the state that they show.', ['state'], () =>
      [...(this.#view?.states() ?? [])].map(([state, value]) => ({ labels: { state }, value })),
    );
  }

  /** The gauges read from this view from now on. */
  attend(view: ControllerView): void {
    this.#view = view;
  }

  acted(action: (typeof actionKinds)[number], isDone: boolean): void {
    this.#tree.actions[action][isDone ? 'done' : 'failed'].add();
  }

  reconciled(elapsedMs: number): void {
    this.#tree.reconcile.observe(elapsedMs / 1_000);
  }

  answered(method: string, status: number): void {
    const verbs = {
      GET: 'get',
      POST: 'create',
      PUT: 'update',
      PATCH: 'patch',
      DELETE: 'delete',
      WATCH: 'watch',
    } as const;
    const verb = verbs[method as keyof typeof verbs] ?? 'get';
    const outcome = status === 0 ? 'noAnswer' : status < 400 ? 'ok' : status < 500 ? 'refused' : 'serverError';
    this.#tree.requests[verb][outcome].add();
  }

  listed(): void {
    this.#tree.lists.add();
  }
}

function declareTree(meter: Meter) {
  return {
    actions: meter.counter(
      'metatrain_controller_actions_total',
      'What was done for resources, by action and outcome.',
      ['action', actionKinds],
      ['outcome', ['done', 'failed']],
    ),
    reconcile: meter.histogram(
      'metatrain_controller_reconcile_seconds',
      'Time to work on a resource once, with its calls.',
      secondsBuckets,
    ),
    requests: meter.counter(
      'metatrain_controller_api_requests_total',
      'Requests to the API server, by verb and outcome.',
      ['verb', ['get', 'watch', 'create', 'update', 'patch', 'delete']],
      ['outcome', ['ok', 'refused', 'serverError', 'noAnswer']],
    ),
    lists: meter.counter(
      'metatrain_controller_lists_total',
      'Times that all resources were listed: at the start, and after a watch whose version was too old.',
    ),
  };
}
