// The console behind nginx as Debian has it: under a path, and with nginx's own Host header, which
// names the coordinator and not the page.
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { says, TestBrowser } from '../../support/browser.ts';
import { withoutPrograms } from '../../support/needs.ts';
import { Nginx } from '../../support/nginx.ts';
import { post } from '../console/http-client.ts';
import { RealCluster, sinusoid } from '../console/real-cluster.ts';

const skip = withoutPrograms(['nginx'], 'the console behind nginx');
const skipBrowser = skip || withoutPrograms(['chromium'], 'the console behind nginx in a real browser');

async function start(t: TestContext) {
  const cluster = await RealCluster.start(t);
  const nginx = await Nginx.start(t, { grpc: cluster.address, http: cluster.http });
  return { cluster, nginx, origin: `http://${nginx.http}` };
}

async function nameOrigin(cluster: RealCluster, origin: string): Promise<void> {
  await cluster.killCoordinator();
  await cluster.startCoordinator('--public-origin', origin);
}

test('behind nginx only pages of the origin that the coordinator knows may post', {
  skip,
}, async (t) => {
  const { cluster, nginx, origin } = await start(t);
  const submit = (from: string) =>
    post(nginx.http, '/mt/api/v1/jobs', { spec: JSON.stringify(sinusoid('posted', 1)) }, { origin: from });
  const refusal = await submit(origin);
  assert.equal(refusal.status, 403);
  assert.match(refusal.json().error.message, /--public-origin, none; behind a proxy give the coordinator the address/);
  await nameOrigin(cluster, origin);
  assert.equal((await submit(origin)).status, 200);
  for (const foreign of ['http://evil.example', 'null', origin.replace('http:', 'https:'), `${origin}.evil.example`]) {
    assert.equal((await submit(foreign)).status, 403, foreign);
  }
});

test('behind a path prefix every page, link and request keeps the prefix', { skip: skipBrowser }, async (t) => {
  const { cluster, nginx, origin } = await start(t);
  await nameOrigin(cluster, origin);
  const browser = await TestBrowser.start(t);
  const page = await browser.open(t, `${origin}/mt/`);
  const asked: string[] = [];
  page.on('request', (request) => asked.push(new URL(request.url()).pathname));
  await says(page, /No jobs yet/);
  await page.getByRole('link', { name: 'Submit a job' }).click();
  await page.waitForURL(`${origin}/mt/submit`);
  await page.locator('#spec').fill(JSON.stringify(sinusoid('under-a-path', 10)));
  await page.getByRole('button', { name: 'Submit the job' }).click();
  await page.waitForURL(/\/mt\/jobs\/[^/]+$/);
  await cluster.startWorker('w1');
  await page.locator('h1 + span .state-succeeded').waitFor();
  await page.reload();
  await says(page, /under-a-path/);
  await page.getByRole('link', { name: 'Overview' }).first().click();
  await page.waitForURL(`${origin}/mt/`);
  await page.getByRole('link', { name: 'under-a-path' }).first().click();
  await page.waitForURL(/\/mt\/jobs\/[^/]+$/);
  assert.ok(asked.length > 20, 'requests were seen');
  assert.deepEqual(
    asked.filter((path) => !path.startsWith('/mt/')),
    [],
  );
  assert.equal(nginx.http, new URL(page.url()).host);
});
