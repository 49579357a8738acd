// The page that uses a trained model, in a real browser: the linear example typed in, characters
// drawn with the mouse, what cannot be read said on the page; without accessibility faults, wide
// and narrow.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { Page } from 'playwright-core';
import { parseJobSpec } from '../../../learning/job-file.ts';
import type { JobDetail } from '../../../shared/http-api.ts';
import { packageRoot } from '../../../shared/wire.ts';
import { assertAccessible, assertFits, says, TestBrowser } from '../../support/browser.ts';
import { withoutPrograms } from '../../support/needs.ts';
import { drawingOf, smallFixture } from '../../unit/learning/omniglot-fixture.ts';
import { ask } from './http-client.ts';
import { RealCluster } from './real-cluster.ts';

const skip = withoutPrograms(['chromium'], 'the use of a model in a real browser');
const pictures = process.env.METATRAIN_TEST_SCREENSHOTS === 'docs' ? join(packageRoot, 'docs', 'images') : undefined;

const linear = parseJobSpec(readFileSync(join(packageRoot, 'examples', 'linear.yaml'), 'utf8'), [
  ['evaluation', '{ every: 0, tasks: 20, innerSteps: 10 }'],
]);

const drawings = {
  name: 'drawings',
  task: { distribution: 'omniglot', dataSet: 'small', ways: 2, shots: 1, queries: 2, rotations: false },
  model: { architecture: 'conv4', filters: 4 },
  algorithm: { name: 'maml', innerSteps: 1, innerLearningRate: 0.1 },
  meta: { iterations: 20, batchSize: 4, optimizer: { name: 'adam', learningRate: 0.01 } },
  evaluation: { tasks: 2, every: 0 },
};

/** A line across the drawing area, by shares of its sides. */
async function draw(
  page: Page,
  field: string,
  from: readonly [number, number],
  to: readonly [number, number],
): Promise<void> {
  const box = page.locator('.drop', { has: page.locator(`#${field}`) });
  if (!(await box.locator('canvas.pad').isVisible())) await box.getByText('Draw one').click();
  const area = (await box.locator('canvas.pad').boundingBox())!;
  const at = ([x, y]: readonly [number, number]) => [area.x + x * area.width, area.y + y * area.height] as const;
  await page.mouse.move(...at(from));
  await page.mouse.down();
  await page.mouse.move(...at(to), { steps: 8 });
  await page.mouse.up();
  await box.getByRole('button', { name: 'Take the drawing' }).click();
}

test('a trained model in the console', { skip }, async (t) => {
  const fixture = smallFixture();
  t.after(() => fixture.remove());
  const cluster = await RealCluster.start(t);
  const browser = await TestBrowser.start(t);
  const url = (path: string) => `http://${cluster.http}${path}`;
  await cluster.startWorker('worker-1', cluster.address, fixture.directory);
  const ended = async (spec: object): Promise<string> => {
    const jobId = await cluster.submit(spec);
    for (;;) {
      const job = (await ask(cluster.http, `/api/v1/jobs/${jobId}`)).json<JobDetail>();
      if (job.state === 'succeeded') return jobId;
      assert.ok(job.state === 'queued' || job.state === 'running', JSON.stringify(job.error));
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  const linearId = await ended(linear);
  const drawingsId = await ended(drawings);

  await t.test('points of a line that it has not seen: 4 is mapped to 8, with the keyboard alone', async (t) => {
    const page = await browser.open(t, url(`/jobs/${linearId}`));
    await page.getByRole('link', { name: 'Use this model' }).press('Enter');
    await page.getByRole('heading', { name: 'Use linear' }).waitFor();
    await page.getByRole('textbox', { name: 'Examples' }).fill('1, 2\n2, 4\n3, 6');
    await page.getByRole('textbox', { name: 'Queries' }).fill('4\n-1.5');
    await page.getByRole('button', { name: 'Adapt and predict' }).press('Enter');
    const table = page.getByRole('table', { name: 'Predictions' });
    await table.waitFor();
    const cells = await table.locator('tbody td').allInnerTexts();
    assert.equal(cells.length, 2);
    assert.ok(Math.abs(Number(cells[0]) - 8) < 0.05, cells[0]);
    assert.ok(Math.abs(Number(cells[1]) + 3) < 0.05, cells[1]);
    if (pictures) await page.screenshot({ path: join(pictures, 'use-numbers.png'), fullPage: true });

    await page.getByRole('textbox', { name: 'Examples' }).fill('1, 2\n2');
    await page.getByRole('button', { name: 'Adapt and predict' }).click();
    await says(page, /"2": got one part; accepted: 2 numbers/);
    await page.getByRole('textbox', { name: 'Examples' }).fill('1, 2');
    await page.getByRole('textbox', { name: 'Queries' }).fill('');
    await page.getByRole('button', { name: 'Adapt and predict' }).click();
    await says(page, /queries: got 0 numbers; accepted: 1 for each input, at least one input/);
  });

  await t.test('characters are drawn with the mouse, or chosen as files, and told apart', async (t) => {
    const page = await browser.open(t, url(`/jobs/${drawingsId}/use`));
    await page.getByRole('group', { name: 'Class 1' }).getByLabel('Name').fill('across');
    await page.getByRole('group', { name: 'Class 2' }).getByLabel('Name').fill('down');
    await page.getByRole('button', { name: 'Adapt and predict' }).click();
    await says(page, /"across" has no example; accepted: at least one for each class/);
    await draw(page, 'class-1', [0.1, 0.5], [0.9, 0.5]);
    await draw(page, 'class-2', [0.5, 0.1], [0.5, 0.9]);
    await draw(page, 'queries', [0.15, 0.45], [0.85, 0.45]);
    await page.locator('#queries').setInputFiles({ name: 'other.png', mimeType: 'image/png', buffer: drawingOf(1101) });
    await page.getByRole('img', { name: 'other.png' }).waitFor();
    await page.getByRole('button', { name: 'Adapt and predict' }).click();
    const table = page.getByRole('table', { name: 'Predictions' });
    await table.waitFor();
    assert.deepEqual(await table.locator('thead th').allInnerTexts(), ['Query', 'Class', 'across', 'down']);
    const rows = await table.locator('tbody tr').count();
    assert.equal(rows, 2);
    for (const name of await table.locator('tbody strong').allInnerTexts()) assert.match(name, /^(across|down)$/);
    if (pictures) await page.screenshot({ path: join(pictures, 'use-drawings.png'), fullPage: true });
    await page.getByRole('button', { name: 'Remove other.png' }).click();
    await page
      .locator('#queries')
      .setInputFiles({ name: 'no.png', mimeType: 'image/png', buffer: Buffer.from('no image') });
    await says(page, /no\.png is no image that this browser can read/);
  });

  await t.test('no accessibility fault, light or dark, wide or narrow, and nothing sticks out', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'metatrain-use-'));
    t.after(() => rmSync(folder, { recursive: true }));
    for (const [jobId, what] of [
      [linearId, 'numbers'],
      [drawingsId, 'images'],
    ] as const) {
      for (const look of [
        { width: 1280, colorScheme: 'light' },
        { width: 360, colorScheme: 'dark' },
      ] as const) {
        const page = await browser.open(t, url(`/jobs/${jobId}/use`), look);
        await page.getByRole('button', { name: 'Adapt and predict' }).waitFor();
        for (const summary of await page.getByText('Draw one').all()) await summary.click();
        const name = `${what} at ${look.width} px, ${look.colorScheme}`;
        await assertAccessible(page, name);
        await assertFits(page, name);
        await page.screenshot({
          path: join(process.env.METATRAIN_LOOK ?? folder, `use-${what}-${look.width}.png`),
          fullPage: true,
        });
        await page.context().close();
      }
    }
  });

  await t.test('a job that there is not is named', async (t) => {
    const page = await browser.open(t, url('/jobs/nope/use'));
    await says(page, /There is no such job/);
  });
});
