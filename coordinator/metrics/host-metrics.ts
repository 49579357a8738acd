// What the coordinator's machine can run out of, read at each scrape: room on its disk, and the
// time until its certificates expire.
import type { Meter } from '../../shared/metrics/meter.ts';
import type { CertificateExpiry } from '../access/certificates.ts';
import { type DiskRoom, reserveBytes } from '../store/disk-room.ts';

export interface HostView {
  readonly room: Pick<DiskRoom, 'freeBytes'>;
  readonly certificates: () => readonly CertificateExpiry[];
}

export function declareHostMetrics(meter: Meter, host: () => HostView | undefined): void {
  meter.gauge(
    'metatrain_disk_free_bytes',
    'Bytes that may still be written to the disk of the state directory; absent where its file system does not tell.',
    () => {
      const freeBytes = host()?.room.freeBytes;
      return Number.isFinite(freeBytes) ? freeBytes : undefined;
    },
  );
  meter.gauge(
    'metatrain_disk_reserve_bytes',
    'Bytes that stay free: with less, every job waits and no new one is taken.',
    () => (host() ? reserveBytes : undefined),
  );
  meter.series(
    'gauge',
    'metatrain_certificate_expiry_timestamp_seconds',
    'When a certificate expires that the coordinator serves with, in seconds since 1970: its own (server), or that of the authority of its clients (clientCa).',
    ['certificate'],
    () => (host()?.certificates() ?? []).map(({ certificate, at }) => ({ labels: { certificate }, value: at / 1_000 })),
  );
}
