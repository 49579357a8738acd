// The overlays: for each the values of the chart that make the same objects.
import type { JsonObject } from './nodes.ts';

export interface Overlay {
  /** Lines of at most 98 characters. */
  readonly help: string;
  readonly values: JsonObject;
}

const small = { requests: { cpu: '100m', memory: '256Mi' }, limits: { cpu: '1', memory: '1Gi' } };

const local: Overlay = {
  help: [
    'For a cluster on one machine, with images that were built there and never pulled.',
    'The volume comes from the default storage class. Without one, make a PersistentVolume by hand',
    '(docs/kubernetes.md).',
  ].join('\n'),
  values: {
    image: { tag: 'dev', pullPolicy: 'Never' },
    coordinator: {
      image: { repository: 'localhost/metatrain-coordinator' },
      resources: small,
      persistence: { size: '1Gi' },
    },
    worker: { image: { repository: 'localhost/metatrain-worker' }, resources: small },
    controller: {
      image: { repository: 'localhost/metatrain-controller' },
      resources: { requests: { cpu: '20m' } },
    },
  },
};

export const overlays: Readonly<Record<string, Overlay>> = { local };
