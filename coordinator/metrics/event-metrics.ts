// The event log's progress to NATS, read at each scrape. No series where NATS is not configured.
import type { Meter } from '../../shared/metrics/meter.ts';

/** What the event publisher reports of itself. */
export interface EventBusView {
  readonly isConnected: boolean;
  /** These and the following count since this start. */
  readonly published: number;
  readonly pending: number;
  readonly failures: number;
  readonly dropped: number;
}

export function declareEventMetrics(meter: Meter, bus: () => EventBusView | undefined): void {
  const read = (type: 'counter' | 'gauge', name: string, help: string, value: (bus: EventBusView) => number) =>
    meter.series(type, `metatrain_events_${name}`, help, [], () => {
      const present = bus();
      return present ? [{ labels: {}, value: value(present) }] : [];
    });
  read('counter', 'published_total', 'Events that the stream has acknowledged.', ({ published }) => published);
  read('gauge', 'pending', 'Events that wait to be published.', ({ pending }) => pending);
  read('counter', 'dropped_total', 'Events that the log had to drop before NATS had them.', ({ dropped }) => dropped);
  read('gauge', 'bus_connected', '1 while there is a connection to NATS and its stream, else 0.', ({ isConnected }) =>
    isConnected ? 1 : 0,
  );
  read(
    'counter',
    'bus_failures_total',
    'Connections to NATS that could not be made or were lost.',
    ({ failures }) => failures,
  );
}
