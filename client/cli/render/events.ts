// One event of the cluster as a line: sequence, time, subject, text. Pure.
import { type ClusterEvent, sequenceOf } from '../../../shared/cluster-event.ts';
import { printableRecord } from '../../../shared/foreign-text.ts';
import { headline, valueText } from '../../../shared/measures.ts';
import { formatCount, formatDuration } from '../../../shared/numbers.ts';
import { evaluatedText } from '../../../shared/protocol.ts';
import { plainStyle, type Style } from './text.ts';

export function renderEvent(received: ClusterEvent, style: Style = plainStyle): string {
  const event = printableRecord(received);
  const about = event.type.split('.')[2] ?? '';
  const time = event.time.replace('T', ' ').replace(/\.\d+Z$/, 'Z');
  const head = `${String(sequenceOf(event)).padStart(6)}  ${time}  ${about.padEnd(6)}  ${event.subject}`;
  return `${style.dim(head)}  ${whatHappened(event)}`;
}

function whatHappened(event: ClusterEvent): string {
  switch (event.type) {
    case 'metatrain.v1.job.state_changed':
      return `${event.data.name} is ${event.data.state}: ${event.data.reason}`;
    case 'metatrain.v1.job.meta_steps_applied': {
      const { step, iterations, measures } = event.data;
      return `meta-step ${formatCount(step)} of ${formatCount(iterations)}: ${measures.map(valueText).join(', ')}`;
    }
    case 'metatrain.v1.job.evaluated':
      return `evaluated ${evaluatedText(event.data)}: ${headline(event.data.measures)}`;
    case 'metatrain.v1.job.checkpoint_written':
      return `checkpoint after ${formatCount(event.data.step)} meta-steps`;
    case 'metatrain.v1.job.shard_retried': {
      const { shard, metaStep, workerId, reason } = event.data;
      return `shard ${shard} of meta-step ${metaStep} is computed again (worker ${workerId}: ${reason})`;
    }
    case 'metatrain.v1.worker.connected': {
      const { address, engine, device, slots } = event.data;
      return `connected from ${address}: ${engine} on ${device.kind}, slots: ${slots}`;
    }
    case 'metatrain.v1.worker.disconnected':
      return `disconnected: ${event.data.reason}`;
    case 'metatrain.v1.worker.drain_started':
      return `drains: ${event.data.reason}`;
    case 'metatrain.v1.worker.quarantined':
      return `is quarantined for ${formatDuration(event.data.coolDownMs / 1_000)}: ${event.data.reason}`;
    case 'metatrain.v1.worker.let_back':
      return `is let back: ${event.data.reason}`;
    default:
      // An event of a newer coordinator.
      return (event as { readonly type: string }).type;
  }
}
