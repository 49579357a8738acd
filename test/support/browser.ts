// The real browser for tests of the console and the report: Debian's Chromium, one page at a time.
// An error or a breach of its policy in the page's console fails the test that opened it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { TestContext } from 'node:test';
import type { AxeResults } from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { pathOf } from './needs.ts';

/** The few globals of a page that functions use inside it. */
interface PageElement {
  readonly id: string;
  readonly innerText: string;
  readonly value: number;
  readonly scrollWidth: number;
  readonly clientWidth: number;
  getAttribute(name: string): string | null;
}
interface PageCanvas {
  readonly width: number;
  readonly height: number;
  getContext(kind: '2d'): {
    getImageData(x: number, y: number, width: number, height: number): { readonly data: Uint8ClampedArray };
  };
}
declare const document: {
  readonly body: PageElement;
  readonly documentElement: PageElement;
  readonly activeElement: PageElement;
  querySelector(selector: string): PageElement | null;
  querySelectorAll(selector: string): Iterable<PageCanvas>;
};

/** Screenshots for the docs are of a longer run. */
const patienceMs = process.env.METATRAIN_TEST_SCREENSHOTS === undefined ? 30_000 : 600_000;

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export interface Looking {
  readonly width?: number;
  readonly height?: number;
  readonly colorScheme?: 'light' | 'dark';
}

export class TestBrowser {
  readonly #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async start(test: TestContext): Promise<TestBrowser> {
    // Chromium has no sandbox for root, as in a container.
    const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
    const browser = await chromium.launch({ executablePath: pathOf('chromium'), args });
    test.after(() => browser.close());
    return new TestBrowser(browser);
  }

  /** Opens a page with a session of its own. */
  async open(
    test: TestContext,
    url: string,
    { width = 1280, height = 800, colorScheme = 'light' }: Looking = {},
  ): Promise<Page> {
    const context = await this.#browser.newContext({
      viewport: { width, height },
      colorScheme,
      reducedMotion: 'reduce',
      acceptDownloads: true,
      timezoneId: 'UTC',
    });
    const complaints: string[] = [];
    const page = await context.newPage();
    page.setDefaultTimeout(patienceMs);
    page.on('pageerror', (error) => complaints.push(String(error.stack)));
    page.on('console', (message) => {
      // Browsers log every failed answer, also an expected one, and a warning that these tests read
      // the canvas.
      const isExpected = /^(Failed to load resource|Canvas2D: Multiple readback)/.test(message.text());
      if (message.type() !== 'log' && !isExpected) complaints.push(message.text());
    });
    test.after(async () => {
      await context.close();
      assert.deepEqual(complaints, []);
    });
    await page.goto(url);
    return page;
  }
}

/** Waits until the page contains the text. */
export async function says(page: Page, text: RegExp): Promise<void> {
  await page.waitForFunction((source) => new RegExp(source).test(document.body.innerText), text.source);
}

/** The id or the label of the element with the focus. */
export const focused = (page: Page): Promise<string> =>
  page.evaluate(() => {
    const { activeElement: element } = document;
    return element.id || element.getAttribute('aria-label') || element.innerText || '';
  });

/**
 * Waits until the page of a job, or the first row of the overview, shows more meta-steps than now.
 */
export async function progresses(page: Page): Promise<void> {
  const before = await page.evaluate(() => document.querySelector('progress')?.value ?? 0);
  await page.waitForFunction((value) => (document.querySelector('progress')?.value ?? 0) > value, before);
}

/** Waits until every chart of the page has been drawn: a good part of its canvas is not empty. */
export async function drawsCharts(page: Page, count: number): Promise<void> {
  const shares = await page.waitForFunction((wanted) => {
    const canvases = [...document.querySelectorAll('.chart-box canvas')];
    if (canvases.length !== wanted) return undefined;
    return canvases.map((canvas) => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((_, i) => i % 4 === 3).filter((alpha) => alpha > 0).length / (data.length / 4);
    });
  }, count);
  for (const share of (await shares.jsonValue()) ?? []) assert.ok(share > 0.01, `a chart is empty: ${share}`);
}

/** Waits until a chart of the page has a point of exactly this colour. */
export async function paints(
  page: Page,
  ...colour: readonly [red: number, green: number, blue: number]
): Promise<void> {
  await page.waitForFunction(
    ([red, green, blue]) =>
      [...document.querySelectorAll('.chart-box canvas')].some((canvas) => {
        const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        return data.some((value, i) => i % 4 === 0 && value === red && data[i + 1] === green && data[i + 2] === blue);
      }),
    colour,
  );
}

/**
 * Presses the tab key until the element of this name has the focus.
 *
 * @throws when the focus never reaches it.
 */
export async function tabTo(page: Page, name: string): Promise<void> {
  const seen: string[] = [];
  for (let i = 0; i < 80; i += 1) {
    await page.keyboard.press('Tab');
    const reached = await focused(page);
    if (reached === name) return;
    seen.push(reached);
  }
  throw new Error(`the tabulator never reaches "${name}"; it passes ${seen.join(' | ')}`);
}

/**
 * Runs axe on the page.
 *
 * @param rules only these rules; default: all.
 */
export async function assertAccessible(page: Page, what: string, rules?: readonly string[]): Promise<void> {
  // In an isolated world, which the page's policy does not affect.
  const session = await page.context().newCDPSession(page);
  const { frameTree } = (await session.send('Page.getFrameTree')) as { frameTree: { frame: { id: string } } };
  const { executionContextId: contextId } = await session.send('Page.createIsolatedWorld', {
    frameId: frameTree.frame.id,
  });
  const evaluate = async (expression: string, awaitPromise: boolean) => {
    const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
      expression,
      contextId,
      awaitPromise,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.text);
    return result.value as unknown;
  };
  const options = rules ? { runOnly: { type: 'rule', values: rules } } : {};
  await evaluate(`${axeSource};0`, false);
  const results = (await evaluate(`axe.run(document, ${JSON.stringify(options)})`, true)) as AxeResults;
  await session.detach();
  const violations = results.violations.map(
    ({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html.slice(0, 200)).join(' | ')}`,
  );
  assert.deepEqual(violations, [], what);
  assert.ok(results.passes.length > (rules ? 0 : 10), `${what}: axe looked at something`);
}

/** No element is wider than the page, so that nobody must scroll sideways. */
export async function assertFits(page: Page, what: string): Promise<void> {
  const { wanted, given } = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return { wanted: scrollWidth, given: clientWidth };
  });
  assert.ok(wanted <= given, `${what} is ${wanted} px wide on a screen of ${given} px`);
}
