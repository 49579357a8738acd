// Serves the console's files: a page, a style sheet, the modules of console/ and of shared/ that
// they import, and the chart library. Read once at the start. The content security policy lets
// nothing foreign run. The files hold no secrets: the page gets its data from the API.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asMetatrainError } from '../../shared/errors.ts';
import { answer, type HttpApp, type HttpRoutes } from '../../shared/http-server.ts';
import type { Logger } from '../../shared/log.ts';
import { packageRoot } from '../../shared/wire.ts';

interface ServedFile {
  readonly type: string;
  readonly body: Buffer;
  readonly etag: string;
}

/** Where the compiled modules are. The page itself is not compiled. */
const built = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const source = join(packageRoot, 'console');
const chartLibrary = dirname(createRequire(import.meta.url).resolve('uplot'));

/** The modules of shared/ that console/ imports at run time. */
export const sharedModules: readonly string[] = [
  ...[
    'axis',
    'cluster-event',
    'comparison',
    'data-identity',
    'job-charts',
    'measures',
    'numbers',
    'plugin-identity',
    'privacy',
    'protocol',
    'web/chart',
  ],
];

/**
 * The addresses of the console's pages, each with the relative path to the first page. The page
 * links by relative addresses, so a proxy may serve it under a path.
 */
const pages = { '/': './', '/submit': './', '/jobs/:jobId': '../', '/jobs/:jobId/use': '../../' } as const;

export function consoleFiles(log: Logger): HttpRoutes {
  let page: string;
  let files: ReadonlyMap<string, ServedFile>;
  try {
    page = readFileSync(join(source, 'index.html'), 'utf8');
    files = readFiles();
  } catch (thrown) {
    const { message } = asMetatrainError(thrown);
    log.error({ reason: message }, 'the console is not served: a file of it is missing; npm run build makes them');
    return () => undefined;
  }
  return (app: HttpApp) => {
    const serve = (path: string, file: ServedFile, policy: string) =>
      app.get(path, (context) => {
        const headers = {
          'content-type': file.type,
          etag: file.etag,
          // The browser asks every time and gets a body only when it changed, so a page never runs
          // with modules of another version.
          'cache-control': 'no-cache',
          'content-security-policy': policy,
          'x-content-type-options': 'nosniff',
          'referrer-policy': 'no-referrer',
          'cross-origin-opener-policy': 'same-origin',
          'cross-origin-resource-policy': 'same-origin',
        };
        if (context.req.header('if-none-match') === file.etag) return context.body(null, 304, headers);
        return answer(context, file.body, { headers });
      });
    for (const [path, toFirst] of Object.entries(pages)) {
      const html = page.replaceAll('"./', `"${toFirst}`);
      serve(path, servedFile('html', Buffer.from(html)), contentSecurityPolicy(html));
    }
    const policy = contentSecurityPolicy('');
    for (const [path, file] of files) serve(path, file, policy);
  };
}

function readFiles(): Map<string, ServedFile> {
  const files = new Map<string, ServedFile>();
  const modules = readdirSync(join(built, 'console')).filter((name) => name.endsWith('.js'));
  if (!modules.includes('main.js')) throw new Error(`there is no ${join(built, 'console', 'main.js')}`);
  for (const name of modules) files.set(`/assets/console/${name}`, read(join(built, 'console', name)));
  for (const name of sharedModules) files.set(`/assets/shared/${name}.js`, read(join(built, 'shared', `${name}.js`)));
  files.set('/assets/shared/web/chart.css', read(join(packageRoot, 'shared', 'web', 'chart.css')));
  for (const name of ['page.css', 'icon.svg']) files.set(`/assets/console/${name}`, read(join(source, name)));
  for (const name of ['uPlot.esm.js', 'uPlot.min.css'])
    files.set(`/assets/uplot/${name}`, read(join(chartLibrary, name)));
  return files;
}

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

const read = (path: string): ServedFile => servedFile(path.slice(path.lastIndexOf('.') + 1), readFileSync(path));

/** @param ending of the file's name. */
function servedFile(ending: string, body: Buffer): ServedFile {
  const type = types[ending];
  if (type === undefined) throw new Error(`.${ending} is no file of a page`);
  return { type, body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` };
}

/** Allows our own files, and the one inline script of the page: its import map. */
function contentSecurityPolicy(html: string): string {
  const inline = [...html.matchAll(/<script type="importmap">([\s\S]*?)<\/script>/g)].map(
    ([, text = '']) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`,
  );
  return [
    "default-src 'none'",
    ["script-src 'self'", ...inline].join(' '),
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
