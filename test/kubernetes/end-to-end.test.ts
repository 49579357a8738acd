// From `kubectl apply` to a trained model on a real cluster, with images of our own Dockerfile; and
// the same bytes whatever happens to the pods meanwhile.
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { BusyCluster } from './support/busy-cluster.ts';
import { home, installOverlay, overlay, untilReady, workloads } from './support/installation.ts';
import { kubectl, kubectlJson, RunningKubectl } from './support/kubectl.ts';
import { Endings, isReady, type Pod } from './support/pods.ts';
import {
  applyJob,
  type MetaTrainJob,
  shortSinusoidBegins,
  sinusoid,
  trainedOutside,
  untilEnded,
  untilJob,
} from './support/training.ts';
import { waitFor } from './support/wait-for.ts';

const here = { namespace: home };
const inHome = ['--namespace', home];
const podsOf = (component: string) => `app.kubernetes.io/component=${component}`;

test('the overlay local runs, trains a job to the bytes from outside, and survives all that happens to pods', async (t) => {
  await installOverlay(t, overlay('local'));
  const endings = new Endings(t, home);
  const longJob = sinusoid(6_000);

  await t.test('a job applied as a resource gives the bytes from outside, and its watch tells the story', async (t) => {
    const watch = new RunningKubectl(t, ['get', 'metatrainjobs', ...inHome, '--watch']);
    await applyJob(home, 'waves', sinusoid(300));
    const { status } = await untilEnded(home, 'waves');
    assert.equal(status?.state, 'Succeeded', status?.message);
    assert.equal(status.paramsSha256, await trainedOutside(sinusoid(300)));
    if (process.arch === 'x64') assert.ok(status.paramsSha256?.startsWith(shortSinusoidBegins));
    await watch.line((line) => /^waves +Succeeded +300\/300/.test(line), 'the success in the watch');
    assert.ok(watch.lines.some((line) => /^waves +Running/.test(line)));
    for (const line of watch.lines) t.diagnostic(line);
  });

  const busy = new BusyCluster(home, longJob, await trainedOutside(longJob));

  await t.test('each pod is deleted in turn, and replaced', async () => {
    const { items } = await kubectlJson<{ items: Pod[] }>(['get', 'pods', ...inHome]);
    assert.equal(items.length, 4);
    for (const pod of items) {
      await busy.running();
      await kubectl(['delete', 'pod', pod.metadata.name, ...inHome, '--timeout=100s']);
      await untilReady(home);
    }
  });

  await t.test('a worker that exceeds its memory is killed by its limit, and comes back', async () => {
    await busy.running();
    await exceedMemory();
  });

  await t.test('the coordinator is killed without notice', async () => {
    await busy.running();
    const pod = await coordinator();
    await kubectl(['delete', 'pod', pod.metadata.name, ...inHome, '--grace-period=0', '--force']);
    const isNew = ([found]: readonly Pod[]) =>
      found !== undefined && found.metadata.uid !== pod.metadata.uid && isReady(found);
    await waitFor<Pod>('the next coordinator', `pods/${pod.metadata.name}`, here, isNew);
  });

  await t.test('everything is restarted by a rollout', async () => {
    await busy.running();
    await kubectl(['rollout', 'restart', ...workloads, ...inHome]);
    await untilReady(home);
  });

  await t.test('workers are scaled to 1, 4, 0 and 2', async () => {
    for (const replicas of [1, 4, 0, 2]) {
      const name = await busy.running();
      await scaleWorkers(replicas);
      if (replicas > 0) continue;
      const hasNone = ({ status }: MetaTrainJob) =>
        status?.conditions?.some(({ type, status: value }) => type === 'WorkersAvailable' && value === 'False') ??
        false;
      const { status } = await untilJob(home, name, 'the condition that no worker is there', hasNone);
      assert.match(status!.conditions!.find(({ type }) => type === 'WorkersAvailable')!.message ?? '', /worker/);
    }
  });

  await t.test('every job has the bytes from outside', async (t) => {
    await busy.running();
    await busy.finish();
    t.diagnostic(`${busy.jobs} jobs of 6,000 meta-steps`);
  });

  await t.test('every SIGTERM was answered within the grace period', (t) => {
    assertEndings(t, endings);
  });
});

async function coordinator(): Promise<Pod> {
  const { items } = await kubectlJson<{ items: Pod[] }>([
    'get',
    'pods',
    ...inHome,
    `--selector=${podsOf('coordinator')}`,
  ]);
  assert.equal(items.length, 1);
  return items[0]!;
}

/** Scales the workers, and waits until exactly so many are there and ready. */
async function scaleWorkers(replicas: number): Promise<void> {
  await kubectl(['scale', 'deployment/metatrain-worker', ...inHome, `--replicas=${replicas}`]);
  await waitFor<Pod>(
    `${replicas} workers`,
    'pods',
    { ...here, selector: podsOf('worker') },
    (pods) => pods.length === replicas && pods.every(isReady),
  );
}

/**
 * Fills a worker's memory from a second program in its container. The kernel then kills a process of
 * that container; the program asks it to prefer the worker (a process may raise its user's scores).
 */
async function exceedMemory(): Promise<void> {
  const { items } = await kubectlJson<{ items: Pod[] }>(['get', 'pods', ...inHome, `--selector=${podsOf('worker')}`]);
  const { name } = items[0]!.metadata;
  const greedy = `
    const { spawn } = require('node:child_process');
    require('node:fs').writeFileSync('/proc/1/oom_score_adj', '1000');
    const hog = 'const kept = []; for (let i = 0; i < 6; i += 1) kept.push(Buffer.alloc(16e6, 1)); setInterval(() => kept, 1e3);';
    setInterval(() => spawn(process.execPath, ['-e', hog]), 100);`;
  // It ends with the container.
  const exec = kubectl(['exec', name, ...inHome, '--', 'node', '-e', greedy]).catch(() => {});
  const wasKilled = ([pod]: readonly Pod[]) =>
    pod?.status.containerStatuses?.[0]?.lastState.terminated?.reason === 'OOMKilled' && isReady(pod);
  await waitFor<Pod>('a worker killed by its limit and ready again', `pods/${name}`, here, wasKilled);
  await exec;
}

/** Prints how long each kind of pod took to end; none was killed at the end of its grace. */
function assertEndings(t: TestContext, endings: Endings): void {
  const all = endings.all;
  assert.ok(all.length >= 10, `only ${all.length} pods ended`);
  for (const component of ['coordinator', 'worker', 'controller']) {
    const those = all.filter(({ pod }) => pod.startsWith(`metatrain-${component}`));
    const longest = Math.max(...those.map(({ seconds }) => seconds));
    t.diagnostic(`${those.length} × ${component}: at most ${longest} s of ${those[0]?.graceSeconds} s`);
  }
  assert.deepEqual(
    all.filter(({ exitCode, seconds, graceSeconds }) => exitCode !== 0 || seconds > graceSeconds),
    [],
  );
}
