// The console's entry: finds the user and the page. If the coordinator needs a token and no valid
// one is stored, it asks for one first.
import type { WhoAmI } from '../shared/http-api.ts';
import { ApiFailure, forgetToken, get, storedToken, storeToken } from './api.ts';
import { after } from './clock.ts';
import { byId, h, put, setAttribute } from './dom.ts';
import { showJobPage } from './job-page.ts';
import { showOverview } from './overview-page.ts';
import { addressOf, shownPath } from './place.ts';
import { showSubmitPage } from './submit-page.ts';
import { showUsePage } from './use-page.ts';

const retryMs = 2_000;

async function begin(): Promise<void> {
  const main = byId('main');
  for (const link of document.querySelectorAll('nav a')) {
    setAttribute(link, 'aria-current', (link as HTMLAnchorElement).pathname === location.pathname ? 'page' : undefined);
  }
  let who: WhoAmI;
  try {
    who = await get<WhoAmI>('/whoami');
  } catch (thrown) {
    if (!(thrown instanceof ApiFailure)) throw thrown;
    if (thrown.code === 'UNREACHABLE') {
      put(main, h('div', { class: 'notice', role: 'alert' }, 'The coordinator does not answer; trying again.'));
      after(retryMs, () => void begin());
      return;
    }
    showRefusal(main, thrown);
    return;
  }
  showWho(who);
  put(main);
  const context = { main, who, refused: (failure: ApiFailure) => showRefusal(main, failure) };
  const [, jobId, use] = /^\/jobs\/([^/]+)(\/use)?$/.exec(shownPath()) ?? [];
  if (jobId !== undefined) await (use ? showUsePage : showJobPage)(context, decodeURIComponent(jobId));
  else if (shownPath() === '/submit') showSubmitPage(context);
  else await showOverview(context);
}

function showWho({ name, roles, asksForTokens }: WhoAmI): void {
  if (!asksForTokens) return;
  const forget = h('button', { class: 'plain', type: 'button', onclick: leave }, 'Forget the token');
  put(byId('who'), h('strong', {}, name), ` ${roles.join(', ')} `, forget);
}

function leave(): void {
  forgetToken();
  location.reload();
}

function showRefusal(main: HTMLElement, failure: ApiFailure): void {
  if (failure.code === 'UNAUTHENTICATED') askForToken(main, storedToken() === undefined ? undefined : failure);
  else {
    const title = failure.code === 'JOB_UNKNOWN' ? 'There is no such job' : 'The coordinator says no';
    put(
      main,
      h(
        'section',
        { class: 'card narrow' },
        h('h1', {}, title),
        h('p', {}, failure.message),
        h('a', { href: addressOf('/') }, 'Overview'),
      ),
    );
  }
}

function askForToken(main: HTMLElement, failure: ApiFailure | undefined): void {
  forgetToken();
  put(byId('who'));
  document.title = 'Token · MetaTrain';
  const input = h('input', {
    id: 'token',
    type: 'password',
    autocomplete: 'off',
    spellcheck: 'false',
    required: true,
    'aria-describedby': failure ? 'token-help token-problem' : 'token-help',
    'aria-invalid': failure ? 'true' : undefined,
  });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    storeToken(input.value.trim());
    void begin();
  };
  put(
    main,
    h(
      'form',
      { class: 'card narrow', onsubmit: submit },
      h('h1', {}, 'This coordinator asks for a token'),
      h('label', { for: 'token' }, 'Token'),
      input,
      failure && h('p', { id: 'token-problem', class: 'problem', role: 'alert' }, failure.message),
      h(
        'p',
        { id: 'token-help', class: 'muted' },
        'It begins with mt_. The operator of the coordinator makes one with ',
        h('code', {}, 'metatrain token create'),
        '. It is kept in this tab and forgotten with it.',
      ),
      h('button', { class: 'primary', type: 'submit' }, 'Use this token'),
    ),
  );
  input.focus();
}

void begin();
