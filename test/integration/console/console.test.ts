// The console as a person uses it: real Chromium, a real coordinator, real workers, real jobs.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { Page } from 'playwright-core';
import { parseJobSpec } from '../../../learning/job-file.ts';
import type { JobDetail } from '../../../shared/http-api.ts';
import { packageRoot } from '../../../shared/wire.ts';
import {
  assertAccessible,
  assertFits,
  drawsCharts,
  focused,
  progresses,
  says,
  TestBrowser,
  tabTo,
} from '../../support/browser.ts';
import { withoutPrograms } from '../../support/needs.ts';
import { token, writeTokens } from '../security/secured-cluster.ts';
import { ask } from './http-client.ts';
import { diverging, RealCluster, sinusoid } from './real-cluster.ts';

const skip = withoutPrograms(['chromium'], 'the console in a real browser');

/** `METATRAIN_TEST_SCREENSHOTS=docs npm test console.test` takes the pictures of README.md and docs/console.md, and takes its time for them. */
const isForDocs = process.env.METATRAIN_TEST_SCREENSHOTS === 'docs';

/** A job that classifies, evaluated often. @throws without the data set */
const omniglot = () =>
  parseJobSpec(readFileSync(join(packageRoot, 'examples', 'omniglot-5way-1shot.yaml'), 'utf8'), [
    ['model.filters', '16'],
    ['algorithm.order', 'first'],
    ['evaluation.every', '25'],
    ['evaluation.tasks', '100'],
    ['checkpoint.every', '50'],
  ]);

/** How many evaluations the pictures show. */
const picturedEvaluations = isForDocs ? 9 : 2;

const evaluated = (name: string) =>
  sinusoid(name, 1_000_000, { evaluation: { every: 100 }, meta: { schedule: { name: 'constant' } } });

/** An endless job, slow enough in the end that it is still there when the test is over. */
const endless = (name: string) => sinusoid(name, 1_000_000, { meta: { schedule: { name: 'constant' } } });

test('the console', { skip }, async (t) => {
  const cluster = await RealCluster.start(t);
  const browser = await TestBrowser.start(t);
  const url = (path: string) => `http://${cluster.http}${path}`;
  const job = async (jobId: string) => (await ask(cluster.http, `/api/v1/jobs/${jobId}`)).json<JobDetail>();

  await t.test('an empty cluster says what to do next', async (t) => {
    const page = await browser.open(t, url('/'));
    await says(page, /No jobs yet\. Submit the first one/);
    await says(page, /No worker is connected, so nothing is computed/);
    await assertAccessible(page, 'an empty overview');
  });

  await cluster.startWorker('worker-1');
  await cluster.startWorker('worker-2');
  const doneId = await cluster.submit(
    sinusoid('sinusoid', 400, { evaluation: { every: 100 }, checkpoint: { every: 100 } }),
  );
  const failedId = await cluster.submit(diverging);

  await t.test('a job is submitted, watched, paused, resumed and cancelled with the keyboard alone', async (t) => {
    const page = await browser.open(t, url('/'));
    await tabTo(page, 'Skip to the content');
    await page.keyboard.press('Enter');
    assert.equal(await focused(page), 'main');
    await page.reload();
    await tabTo(page, 'Submit a job');
    await page.keyboard.press('Enter');
    await page.waitForURL(url('/submit'));
    await page.locator('#spec').waitFor();

    await tabTo(page, 'spec');
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.insertText('name: 7\nzeal: yes');
    await tabTo(page, 'Submit the job');
    await page.keyboard.press('Enter');
    await says(page, /zeal: got an unknown field/);
    await says(page, /name: got 7/);
    assert.equal(await focused(page), 'spec', 'the focus is where the mistake is');
    await assertAccessible(page, 'a refused job file');

    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.insertText(JSON.stringify(endless('sinusoid-seed-2')));
    await tabTo(page, 'Submit the job');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/jobs\/[0-9a-f]+$/);
    const jobId = page.url().split('/').at(-1)!;
    // Live: the numbers move without a reload.
    await page.locator('progress').waitFor();
    await progresses(page);
    await page.getByRole('slider', { name: /^Training: loss/ }).waitFor();

    await tabTo(page, 'Training: loss by meta-step: arrow keys read its points');
    await page.keyboard.press('Home');
    await says(page, /meta-step \d+: [\d.]+/);
    const press = async (label: string, state: string) => {
      await page.locator('body').press('Home');
      await tabTo(page, label);
      await page.keyboard.press('Enter');
      await page.locator(`h1 + span .state-${state}`).waitFor();
    };
    await page.reload();
    await press('Pause sinusoid-seed-2', 'paused');
    assert.equal((await job(jobId)).state, 'paused');
    assert.equal(await focused(page), 'Resume sinusoid-seed-2', 'the focus goes on to what can be done next');
    await page.keyboard.press('Enter');
    await page.locator('h1 + span .state-running').waitFor();

    await page.reload();
    await tabTo(page, 'Cancel sinusoid-seed-2');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'Cancel sinusoid-seed-2?' }).waitFor();
    await assertAccessible(page, 'the question before a cancel');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    assert.equal((await job(jobId)).state, 'running', 'to close the question is to keep the job');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.locator('h1 + span .state-cancelled').waitFor();
    assert.equal((await job(jobId)).state, 'cancelled');
  });

  await t.test('the overview goes live: jobs, workers, events, and what is done to a job elsewhere', async (t) => {
    const page = await browser.open(t, url('/'));
    await says(page, /worker-1[\s\S]*worker-2/);
    const liveId = await cluster.submit(endless('sinusoid-steady'));
    const row = page.getByRole('row', { name: /sinusoid-steady/ });
    await row.getByText('running').waitFor();
    await says(page, /sinusoid-steady\s+running: its first shard was leased/);
    await row.getByRole('button', { name: 'Pause sinusoid-steady' }).click();
    await row.getByText('paused').waitFor();
    await ask(cluster.http, `/api/v1/jobs/${liveId}/cancel`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    });
    await row.getByText('cancelled').waitFor();
    assert.equal(await row.getByRole('button').count(), 0, 'an ended job has nothing to press');
    const jobs = page.getByRole('table', { name: 'Jobs' }).getByRole('rowgroup').nth(1).getByRole('row');
    const shown = await jobs.count();
    assert.ok(shown > 1);
    await page.getByRole('searchbox', { name: 'Search jobs' }).fill('steady');
    await jobs.nth(1).waitFor({ state: 'detached' });
    assert.ok(await row.isVisible());
    await page.getByRole('combobox', { name: 'State' }).selectOption('running');
    await row.waitFor({ state: 'detached' });
    await page.getByRole('searchbox', { name: 'Search jobs' }).fill('');
    await page.getByRole('combobox', { name: 'State' }).selectOption('');
    await row.waitFor();
    assert.equal(await jobs.count(), shown);
  });

  await t.test('a job that waits says why, in the list and on its page', async (t) => {
    const jobId = await cluster.submit(sinusoid('for-a-gpu', 10, { placement: { device: 'cuda' } }));
    const list = await browser.open(t, url('/'));
    const row = list.getByRole('row', { name: /for-a-gpu/ });
    await row.getByText('no worker for it').waitFor();
    const page = await browser.open(t, url(`/jobs/${jobId}`));
    await says(
      page,
      /Waits: it needs a worker that offers compiled\/cuda \(placement\); those that are connected offer/,
    );
    await assertAccessible(page, 'a job that waits');
    await page.getByRole('button', { name: 'Pause for-a-gpu' }).click();
    await says(page, /Waits: paused by request, until it is resumed/);
    await row.getByText('by request').waitFor();
    await ask(cluster.http, `/api/v1/jobs/${jobId}/cancel`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
    });
    await page.locator('h1 + span .state-cancelled').waitFor();
    assert.equal(await page.getByText('Waits:').isVisible(), false, 'an ended job waits for nothing');
  });

  await t.test(
    'a finished job shows its curves, its figures beside the published ones, and its checkpoints',
    async (t) => {
      const page = await browser.open(t, url(`/jobs/${doneId}`));
      await page.locator('h1 + span .state-succeeded').waitFor();
      await says(page, /all 400 meta-steps are applied/);
      const detail = await job(doneId);
      await says(page, new RegExp(detail.paramsSha256));
      await says(page, /MAML, Finn et al\. 2017/);
      await page.getByRole('slider', { name: /^Adaptation: loss/ }).waitFor();
      await drawsCharts(page, 5);
      const rows = await page
        .getByRole('region', { name: /newest evaluation/ })
        .getByRole('row')
        .allInnerTexts();
      assert.equal(rows.length, 7, 'a head, and 0 to 5 inner steps');
      assert.match(rows[2]!, /^1\s+[\d.]+ ± [\d.]+\s+0\.670/);
      await says(page, /Not comparable: another measurement: evaluation\.tasks: 100 instead of 600/);
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('link', { name: 'Download the checkpoint of meta-step 400' }).click(),
      ]);
      const bytes = readFileSync(await download.path());
      assert.equal(createHash('sha256').update(bytes).digest('hex'), detail.checkpoints.at(-1)?.sha256);
      await page.getByText('With every default').click();
      await says(page, /beta1: 0\.9/);
      await assertAccessible(page, 'a finished job');
    },
  );

  await t.test('a failed job says why', async (t) => {
    const page = await browser.open(t, url(`/jobs/${failedId}`));
    await page.getByRole('region', { name: 'Why it failed' }).waitFor();
    await says(page, /RESULT_NOT_FINITE[\s\S]*is not finite, in shard/);
    await says(page, /No curves: it ended \(failed\)/);
    const nowhere = await browser.open(t, url('/jobs/nowhere'));
    await says(nowhere, /There is no such job[\s\S]*there is no job "nowhere"/);
  });

  const runningId = await cluster.submit(isForDocs ? omniglot() : evaluated('sinusoid-long'));

  await t.test('no page has an accessibility fault, light or dark, wide or narrow, and none sticks out', async (t) => {
    const until: Record<string, (page: Page) => Promise<unknown>> = {
      '/': (page) => says(page, /worker-2[\s\S]*succeeded|succeeded[\s\S]*worker-2/),
      [`/jobs/${runningId}`]: async (page) => {
        await page.getByRole('slider', { name: /^Adaptation: loss/ }).waitFor();
        await says(page, /No verdict before the job has succeeded/);
      },
      [`/jobs/${failedId}`]: (page) => says(page, /RESULT_NOT_FINITE/),
      '/submit': (page) => page.locator('#spec').waitFor(),
    };
    // While nothing is computed the browser has the machine to itself.
    const running = await browser.open(t, url(`/jobs/${runningId}`));
    await until[`/jobs/${runningId}`]!(running);
    await running.getByRole('button', { name: /^Pause/ }).click();
    await running.locator('h1 + span .state-paused').waitFor();
    for (const [path, isThere] of Object.entries(until)) {
      for (const look of [
        { width: 1280, colorScheme: 'light' },
        { width: 360, colorScheme: 'dark' },
      ] as const) {
        const page = await browser.open(t, url(path), look);
        await isThere(page);
        const what = `${path} at ${look.width} px, ${look.colorScheme}`;
        await assertAccessible(page, what);
        await assertFits(page, what);
        await page.emulateMedia({ colorScheme: look.colorScheme === 'light' ? 'dark' : 'light' });
        await assertAccessible(page, `${what}, turned over`, ['color-contrast']);
        await page.context().close();
      }
    }
    await running.getByRole('button', { name: /^Resume/ }).click();
    await running.locator('h1 + span .state-running').waitFor();
  });

  await t.test('screenshots of the overview, a job while it runs, a failed one, and a narrow screen', async (t) => {
    const folder = isForDocs
      ? join(packageRoot, 'docs', 'images')
      : mkdtempSync(join(tmpdir(), 'metatrain-screenshots-'));
    if (!isForDocs) t.after(() => rmSync(folder, { recursive: true }));
    await takeScreenshots(t, browser, url, { runningId, failedId, folder });
  });

  await t.test('a coordinator that is killed is missed, and followed again when it is back', async (t) => {
    const overview = await browser.open(t, url('/'));
    const page = await browser.open(t, url(`/jobs/${runningId}`));
    for (const open of [overview, page]) await open.locator('#connection[data-how=live]').waitFor();
    await cluster.killCoordinator();
    for (const open of [overview, page]) await says(open, /The coordinator does not answer; trying again/);
    await assertAccessible(page, 'a page without its coordinator');
    await cluster.startCoordinator();
    await page
      .getByRole('button', { name: 'Try now' })
      .click({ timeout: 1_000 })
      .catch(() => undefined);
    for (const open of [overview, page]) await open.locator('#connection[data-how=live]').waitFor();
    await says(page, /taken up again after a coordinator's restart/);
    await progresses(page);
  });

  await t.test(
    'a page that stays open keeps the newest 50 jobs and those that run; older ones come when asked for',
    async (t) => {
      const page = await browser.open(t, url('/'));
      const table = page.getByRole('table', { name: 'Jobs' });
      await table.getByText('sinusoid-seed-2').waitFor();
      for (let i = 0; i < 60; i += 1) {
        const jobId = await cluster.submit(endless(`passing-${i}`));
        await ask(cluster.http, `/api/v1/jobs/${jobId}/cancel`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
        });
      }
      // Until its end is shown it stands first.
      await table
        .getByRole('row', { name: /passing-59/ })
        .getByText('cancelled')
        .waitFor();
      await page.getByRole('button', { name: 'Older jobs' }).waitFor();
      const names = () => table.locator('tbody .name a').allInnerTexts();
      const passed = Array.from({ length: 50 }, (_, i) => `passing-${59 - i}`);
      // The one that runs is the oldest of them, and stands first.
      assert.deepEqual(await names(), [(await job(runningId)).name, ...passed]);
      await page.getByRole('button', { name: 'Older jobs' }).click();
      await table.getByText('sinusoid-seed-2').waitFor();
      await page.getByRole('button', { name: 'Older jobs' }).waitFor({ state: 'hidden' });
    },
  );
});

test('the console asks for a token, offers what its roles allow, and ends with it', { skip }, async (t) => {
  const alice = token('alice', ['submit', 'read']);
  const reader = token('reader', ['read']);
  const submitter = token('submitter', ['submit']);
  const cluster = await RealCluster.start(t, [alice, reader, submitter]);
  const browser = await TestBrowser.start(t);
  const url = (path: string) => `http://${cluster.http}${path}`;
  const enter = async (page: Page, secret: string) => {
    await page.getByLabel('Token').fill(secret);
    await page.keyboard.press('Enter');
  };

  const page = await browser.open(t, url('/submit'));
  await says(page, /This coordinator asks for a token/);
  await assertAccessible(page, 'the question for a token');
  await enter(page, 'mt_nonsense');
  await says(page, /does not know the token/);
  await enter(page, alice.secret);
  await page.locator('#spec').fill(JSON.stringify(endless('of-alice')));
  await page.getByRole('button', { name: 'Submit the job' }).click();
  await page.getByRole('button', { name: 'Pause of-alice' }).waitFor();
  await says(page, /alice submit, read/);
  const jobUrl = page.url();
  assert.deepEqual(await page.evaluate('[document.cookie, localStorage.length]'), ['', 0]);

  const reading = await browser.open(t, jobUrl);
  await enter(reading, reader.secret);
  await says(
    reading,
    /Only the one who submitted this job \(it is alice's\), or an admin, may pause, resume or cancel it/,
  );
  assert.equal(await reading.getByRole('button', { name: /of-alice/ }).count(), 0);
  await reading.goto(url('/submit'));
  await says(reading, /Submitting asks for the role submit or admin; the token of reader has: read/);

  const submitting = await browser.open(t, url('/'));
  await enter(submitting, submitter.secret);
  await says(
    submitting,
    /The coordinator says no[\s\S]*asks for the role read or admin; the token of submitter has: submit/,
  );

  writeTokens(cluster.tokensFile!, [reader]);
  await says(page, /This coordinator asks for a token/);
  assert.equal(await page.evaluate('sessionStorage.length'), 0, 'a token that no longer holds is forgotten');
});

interface Scene {
  readonly runningId: string;
  readonly failedId: string;
  readonly folder: string;
}

async function takeScreenshots(
  t: TestContext,
  browser: TestBrowser,
  url: (path: string) => string,
  { runningId, failedId, folder }: Scene,
): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const take = async (
    name: string,
    path: string,
    look: Parameters<TestBrowser['open']>[2],
    isThere: (page: Page) => unknown,
  ) => {
    const page = await browser.open(t, url(path), look);
    await page.locator('#connection[data-how]').waitFor({ state: 'attached' });
    await isThere(page);
    const file = join(folder, `console-${name}.png`);
    await page.screenshot({ path: file, scale: 'css' });
    assert.ok(statSync(file).size > 10_000, name);
    await page.context().close();
  };
  const curves = (page: Page) => says(page, new RegExp(`\\b(${picturedEvaluations}|[1-9]\\d+) evaluations so far`));
  await take('overview', '/', { height: 900 }, (page) => page.locator('.state-busy').first().waitFor());
  await take('job', `/jobs/${runningId}`, { height: 1180 }, curves);
  await take('job-dark', `/jobs/${runningId}`, { height: 1180, colorScheme: 'dark' }, curves);
  await take('failed', `/jobs/${failedId}`, { height: 760 }, (page) => says(page, /RESULT_NOT_FINITE/));
  await take('narrow', '/', { width: 360, height: 780 }, (page) => page.locator('.state-busy').first().waitFor());
}
