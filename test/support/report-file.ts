// Reads a report as text: the data in it, and everything that it would load or run.
import assert from 'node:assert/strict';

/** The JSON in the report's element `id`. */
export function embedded<Shape>(page: string, id: string): Shape {
  const [, json] = new RegExp(`<script type="application/json" id="${id}">([^<]*)</script>`).exec(page) ?? [];
  assert.ok(json !== undefined, `the page has no data called ${id}`);
  return JSON.parse(json) as Shape;
}

/** The page's markup, without scripts and styles. */
export const markupOf = (page: string): string =>
  page.replaceAll(/<(script|style)\b[^>]*>[\s\S]*?<\/\1>/g, (_, name) => `<${name}></${name}>`);

/** @throws unless the page is self-contained and runs no script but its own. */
export function assertSelfContained(page: string): void {
  const markup = markupOf(page);
  assert.deepEqual(markup.match(/\b(src|href|action|srcset|data|poster)\s*=/gi), null);
  assert.deepEqual(markup.match(/\son\w+\s*=/gi), null, 'no handler in an attribute');
  const styles = [...page.matchAll(/<style>([\s\S]*?)<\/style>/g)].map(([, style]) => style).join('\n');
  assert.ok(styles.includes('.uplot'));
  assert.doesNotMatch(styles, /@import|url\(/);
  const scripts = [...page.matchAll(/<script\b([^>]*)>/g)].map(([, attributes]) => attributes?.trim());
  assert.deepEqual(scripts, ['type="application/json" id="report-data"', 'type="application/json" id="charts"', '']);
  const [, policy = ''] = /http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(page) ?? [];
  assert.match(policy, /^default-src &#39;none&#39;; script-src &#39;sha256-[^;&]+&#39;; style-src/);
}
