// The report in its reader's browser: opened from the disk, read with the keyboard, in the dark, on a narrow screen and on paper.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import { historyOf } from '../../client/history.ts';
import { readReportAssets } from '../../client/report/report-assets.ts';
import { renderReport } from '../../client/report/report-page.ts';
import { assertAccessible, assertFits, drawsCharts, paints, TestBrowser, tabTo } from '../support/browser.ts';
import { withoutPrograms } from '../support/needs.ts';
import { sampleEvents, sampleJob } from '../support/sample-job.ts';

const skip = withoutPrograms(['chromium'], 'the report in a browser');

test('the report in a browser', { skip }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-report-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'report.html');
  const input = { job: sampleJob(), history: historyOf(sampleEvents()), version: '1.2.3', writtenAt: new Date(0) };
  writeFileSync(file, await renderReport(input, await readReportAssets()));
  const url = String(pathToFileURL(file));
  const browser = await TestBrowser.start(t);
  const look = { width: 1160, height: 800 };

  await t.test('while nobody points at a chart it tells where its curves end, and what is what', async (t) => {
    const page = await browser.open(t, url, look);
    await drawsCharts(page, 5);
    const readings = await page.locator('.reading').allInnerTexts();
    assert.equal(readings[0], 'inner step 5: 0.360 ± 0.0360 published 0.380 ± 0.100 earlier evaluations');
    assert.match(readings[1]!, /^meta-step 20,000: median 0\.\d+ reported 0\.\d+$/);
    assert.match(readings.at(-1)!, /^meta-step 20,000: 0\.360 ± 0\.0360$/);
  });

  await t.test('arrow keys read its points, aloud too', async (t) => {
    const page = await browser.open(t, url, look);
    const says = () => page.evaluate("document.activeElement.getAttribute('aria-valuetext')");
    await tabTo(page, 'Adaptation: loss by inner step: arrow keys read its points');
    await page.keyboard.press('Home');
    assert.equal(await says(), 'inner step 0: 3.20 ± 0.320');
    await page.keyboard.press('ArrowRight');
    assert.equal(await says(), 'inner step 1: 0.660 ± 0.0660, published 0.670');
    await page.keyboard.press('Tab');
    const reading = await page.locator('.reading').first().innerText();
    assert.match(reading, /^inner step 5: /, 'one who leaves it leaves the end');
  });

  await t.test(
    'its colours follow from light to dark and onto paper, and a narrow screen holds all of it',
    async (t) => {
      const page = await browser.open(t, url, look);
      await assertAccessible(page, 'the report');
      await paints(page, 36, 86, 201);
      await page.emulateMedia({ colorScheme: 'dark' });
      await paints(page, 134, 174, 255);
      await assertAccessible(page, 'the report in the dark', ['color-contrast']);
      await page.setViewportSize({ width: 360, height: 780 });
      await assertFits(page, 'the report');
      await drawsCharts(page, 5);
      await page.emulateMedia({ media: 'print' });
      await paints(page, 36, 86, 201);
    },
  );
});
