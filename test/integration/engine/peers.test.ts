// The programs that the engine is measured against compute what it computes. Needs a Python with
// PyTorch and JAX, which the benchmark makes at its first run.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type JobWorkload, jobArrays, jobWorkloads } from '../../../bench/engine/jobs.ts';
import { differenceOf, prepareOurs } from '../../../bench/engine/main.ts';
import { installedPython, type PeerName, shareWorkload, startPeer } from '../../../bench/engine/peers.ts';
import { leftOutUnless } from '../../support/needs.ts';

const python = installedPython();
const left = leftOutUnless(
  python !== undefined,
  "the engine's peers",
  'no Python with PyTorch and JAX: npm run bench -- engine makes one',
);

/** Fewer and smaller layers; two tasks. */
const sizes: Record<JobWorkload['model'], { readonly model: object; readonly algorithm: object }> = {
  mann: { model: { hiddenLayers: [8] }, algorithm: { units: 8, slots: 8, width: 4 } },
  resnet12: { model: { widths: [3, 4, 5, 6] }, algorithm: {} },
  'in-context': { model: { filters: 4 }, algorithm: { width: 8 } },
};

const small = (workload: JobWorkload): JobWorkload => ({
  ...workload,
  tasks: 2,
  job: {
    task: workload.job.task,
    model: { ...workload.job.model, ...sizes[workload.model].model },
    algorithm: { ...workload.job.algorithm, ...sizes[workload.model].algorithm },
  },
});

describe('the peers of the benchmark', { skip: left }, () => {
  for (const workload of jobWorkloads.map(small)) {
    for (const name of ['torch-eager', 'jax-vmap'] satisfies PeerName[]) {
      it(`${name} has the loss and the gradients of ${workload.name}`, async () => {
        const ours = await prepareOurs(workload);
        const shared = shareWorkload(workload, jobArrays(workload));
        try {
          const peer = await startPeer(python!, name, shared.folder);
          peer.close();
          const difference = differenceOf(peer.start, ours);
          // float32 through 13 layers or 50 examples
          assert.ok(difference < 5e-4, `${difference}: loss ${peer.start.loss}, ours ${ours.loss}`);
        } finally {
          shared.remove();
          await ours.close();
        }
      });
    }
  }
});
