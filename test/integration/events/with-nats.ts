// What the tests of events on NATS share: where a coordinator finds the server, and what it logs.
import { pino } from 'pino';
import type { NatsOptions } from '../../../coordinator/event-bus/open.ts';
import type { ClusterEvent } from '../../../shared/cluster-event.ts';
import { Mailbox } from '../../support/mailbox.ts';
import type { NatsServer } from '../../support/nats-server.ts';

export const streamLimits = { name: 'METATRAIN', maxAgeMs: 3_600_000, maxBytes: 2 ** 26, maxMessages: 100_000 };
/** What a coordinator is told of the server. */
export const natsAt = ({ url }: NatsServer, more: Partial<NatsOptions> = {}): NatsOptions => ({
  servers: [url],
  stream: streamLimits,
  ...more,
});

const endedStates = ['succeeded', 'failed', 'cancelled'];
/** The event with which the job has ended. */
export const endOf = (jobId: string) => (event: ClusterEvent) =>
  event.type === 'metatrain.v1.job.state_changed' && event.subject === jobId && endedStates.includes(event.data.state);

/** What the log says, a line at a time. */
export function logging() {
  const lines = new Mailbox<{ readonly msg: string; readonly reason?: string; readonly [field: string]: unknown }>();
  const all: string[] = [];
  const write = (line: string) => {
    all.push(line);
    lines.put(JSON.parse(line));
  };
  const until = async (message: RegExp) => {
    for (;;) {
      const line = await lines.take(`a log line like ${message}`);
      if (message.test(line.msg)) return line;
    }
  };
  return { log: pino({ level: 'info' }, { write }), until, all };
}
