// The NATS subjects of events: metatrain.v1.job.JOB-ID.EVENT and
// metatrain.v1.worker.WORKER-ID.EVENT.
import { type ClusterEvent, nameOf } from '../../shared/cluster-event.ts';

/** All subjects that the stream must accept. */
export const allSubjects = 'metatrain.v1.>';

export function subjectOf(event: ClusterEvent): string {
  const [about, what] = nameOf(event).split('.');
  return `metatrain.v1.${about}.${subjectToken(event.subject)}.${what}`;
}

/**
 * A text as one token of a subject. Percent-encoded as in an address (RFC 3986), and so are the
 * full stop and the asterisk, which have a meaning in subjects. `decodeURIComponent` gives the text
 * back.
 */
export const subjectToken = (text: string): string =>
  encodeURIComponent(Buffer.from(text).toString()).replaceAll('.', '%2E').replaceAll('*', '%2A');
