import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { kubeconfigAccess } from '../../../deploy/controller/kube/access.ts';
import { ApiClient } from '../../../deploy/controller/kube/api-client.ts';
import type { KubeObject } from '../../../deploy/controller/kube/objects.ts';
import { Reflector } from '../../../deploy/controller/kube/reflector.ts';
import { resourcesPath } from '../../../deploy/controller/resource.ts';
import { realClock } from '../../../shared/clock.ts';
import { silentLogger } from '../../../shared/log.ts';
import { FakeApiServer } from '../../support/fake-api-server.ts';
import { jobs } from './controller-lab.ts';

interface Following {
  readonly api: FakeApiServer;
  readonly reflector: Reflector<KubeObject>;
  lists(): number;
  /** Resolves when it is so, after a change that the copy has seen. */
  until(isSo: () => boolean): Promise<void>;
}

async function following(t: TestContext, prepare: (api: FakeApiServer) => void = () => {}): Promise<Following> {
  const api = await FakeApiServer.start(t);
  prepare(api);
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-follow-'));
  t.after(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'kubeconfig'), api.kubeconfig());
  const client = new ApiClient(kubeconfigAccess(join(directory, 'kubeconfig')), realClock);
  const readers = new Set<() => void>();
  let lists = 0;
  const read = () => {
    for (const reader of readers) reader();
  };
  const onList = () => {
    lists += 1;
  };
  const reflector = new Reflector<KubeObject>(
    { path: resourcesPath('lab'), onChange: read, onSynced: read, onList },
    { api: client, clock: realClock, log: silentLogger, randomFraction: () => 0 },
  );
  const stop = new AbortController();
  const run = reflector.run(stop.signal);
  t.after(async () => {
    stop.abort();
    await run;
    client.close();
  });
  const until = (isSo: () => boolean) =>
    new Promise<void>((resolve) => {
      const reader = () => {
        if (!isSo()) return;
        readers.delete(reader);
        resolve();
      };
      readers.add(reader);
      reader();
    });
  return { api, reflector, lists: () => lists, until };
}

const objectOf = (name: string) => ({ metadata: { name }, spec: {} });

test('a list of several pages is one copy', async (t) => {
  const { reflector, until } = await following(t, (api) => {
    for (let i = 0; i < 1_203; i += 1) api.create(jobs, objectOf(`job-${i}`));
  });
  await until(() => reflector.isSynced);
  assert.equal(reflector.keys().length, 1_203);
});

test('changes come by one watch after the other, and no second list', async (t) => {
  const { api, reflector, lists, until } = await following(t);
  await until(() => reflector.isSynced);
  api.create(jobs, objectOf('a'));
  await until(() => reflector.get('lab/a') !== undefined);
  // A watch lasts two seconds: the next two begin meanwhile.
  await api.arrivals(2);
  api.patch(jobs, 'a', { spec: { suspend: true } });
  await until(() => (reflector.get('lab/a') as { spec?: { suspend?: boolean } })?.spec?.suspend === true);
  api.delete(jobs, 'a');
  await until(() => reflector.get('lab/a') === undefined);
  assert.equal(lists(), 1);
});

test('what was deleted and made anew while nothing could be watched is known afterwards', async (t) => {
  const { api, reflector, lists, until } = await following(t, (api) => {
    for (const name of ['kept', 'deleted', 'replaced']) api.create(jobs, objectOf(name));
  });
  await until(() => reflector.isSynced);
  const uid = reflector.get('lab/replaced')?.metadata.uid;
  await api.down();
  await until(() => !reflector.isSynced);
  api.delete(jobs, 'deleted');
  api.delete(jobs, 'replaced');
  api.create(jobs, objectOf('replaced'));
  api.compact();
  await api.up();
  await until(() => reflector.get('lab/deleted') === undefined && reflector.isSynced);
  assert.deepEqual(reflector.keys().sort(), ['lab/kept', 'lab/replaced']);
  assert.notEqual(reflector.get('lab/replaced')?.metadata.uid, uid);
  assert.equal(lists(), 2);
});
