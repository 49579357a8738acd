// A compute thread whose programs crash, fail or wait according to the job's name, for tests. They
// run inside the real message loop with the real program cache and parameter copies.
import { BroadcastChannel, parentPort } from 'node:worker_threads';
import { resolveJob } from '../../learning/job.ts';
import { builtIn } from '../../learning/registry.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { bytesOfVector } from '../../shared/tensor-codec.ts';
import type { JobToOpen } from '../../worker/compute/program-cache.ts';
import { serveShards } from '../../worker/compute/serve.ts';
import type { JobProgram } from '../../worker/learning/job-program.ts';
import type { LearnerProgram } from '../../worker/learning/learner-program.ts';
import { rowsOf } from './measures.ts';

/** A held shard waits for any message on this channel. */
export const releaseChannel = 'metatrain-test-release';
/** Programs report here: `opened NAME`, `closed NAME`, `began NAME`. */
export const newsChannel = 'metatrain-test-news';

const failures: Readonly<Record<string, MetatrainError>> = {
  'request-invalid': new MetatrainError('REQUEST_INVALID', 'task.ways: got 900; accepted: at most 145'),
  'data-missing': new MetatrainError('DATA_SET_MISSING', 'no omniglot in /nowhere'),
};

if (parentPort) {
  await serveShards(parentPort, async () => ({ fingerprint: 'fake-engine', openProgram, openLearner }));
}

async function openProgram({ spec }: JobToOpen): Promise<JobProgram> {
  const news = new BroadcastChannel(newsChannel);
  const { name } = spec;
  news.postMessage(`opened ${name}`);
  return {
    job: resolveJob(spec, builtIn),
    data: [],
    initialize: () => ({
      layout: { tensors: [{ name: 'w', shape: [3] }] },
      metaParams: Float32Array.of(1, 2, 3),
      splitDescription: 'none',
      transductive: false,
    }),
    async train(metaParams, { firstTask, taskCount }) {
      // Listens before it reports, or it could miss a release that comes at once.
      const released = name === 'hold' ? whenReleased() : undefined;
      news.postMessage(`began ${name}`);
      await released;
      await misbehave(name);
      return {
        metaGradientSum: metaParams.map((value) => value * taskCount + firstTask),
        weight: taskCount,
        measures: rowsOf(Array.from({ length: taskCount }, (_, offset) => firstTask + offset)),
        nonFiniteTasks: [],
      };
    },
    encode: bytesOfVector,
    async evaluate(metaParams, { firstTask }) {
      return { measures: rowsOf([firstTask, metaParams[0]!]) };
    },
    async close() {
      news.postMessage(`closed ${name}`);
      news.close();
    },
  };
}

/** Adapts by adding the support set's first number to θ, and predicts the state's first number times each input. */
async function openLearner({ spec: { name } }: JobToOpen): Promise<LearnerProgram> {
  const news = new BroadcastChannel(newsChannel);
  news.postMessage(`opened ${name}`);
  return {
    async adapt(metaParams, { support }) {
      await misbehave(name);
      const first = support.supportInputs![0]!;
      return { layout: { tensors: [{ name: 'w', shape: [3] }] }, state: metaParams.map((value) => value + first) };
    },
    async predict(_metaParams, { adapted, inputs }) {
      return { shape: [inputs.length, 1], outputs: inputs.map((input) => input * adapted.state[0]!) };
    },
    async encode({ items }) {
      return { shape: [items.length, 1], values: Float32Array.from(items, ({ byteLength }) => byteLength) };
    },
    async close() {
      news.postMessage(`closed ${name}`);
      news.close();
    },
  };
}

async function misbehave(name: string): Promise<void> {
  const failure = failures[name];
  if (failure) throw failure;
  switch (name) {
    case 'exit':
      process.exit(3);
      break;
    case 'exhaust-memory': {
      const kept: unknown[] = [];
      for (;;) kept.push(new Array(100_000).fill(kept.length));
    }
    case 'crash':
      queueMicrotask(() => {
        throw new TypeError('a bug in native code');
      });
      await new Promise(() => {});
      break;
    case 'spin':
      // Blocks its thread, as native code does.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500);
  }
}

async function whenReleased(): Promise<void> {
  const release = new BroadcastChannel(releaseChannel);
  await new Promise((resolve) => {
    release.onmessage = resolve;
  });
  release.close();
}
