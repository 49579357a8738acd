// Pause, resume and cancel: only actions that the job's state and the user's roles allow. A cancel
// needs a confirmation.
import type { JobDetail, JobRow } from '../shared/http-api.ts';
import { ApiFailure, post } from './api.ts';
import { announce, h, type KeptElement, put, setAttribute } from './dom.ts';
import { hasEnded } from './words.ts';

type Control = 'pause' | 'resume' | 'cancel';

const labels: Record<Control, string> = { pause: 'Pause', resume: 'Resume', cancel: 'Cancel' };
const done: Record<Control, string> = { pause: 'paused', resume: 'resumed', cancel: 'cancelled' };

/** The possible actions in a state. */
function controlsFor(state: JobRow['state']): readonly Control[] {
  if (hasEnded(state)) return [];
  return state === 'paused' ? ['resume', 'cancel'] : ['pause', 'cancel'];
}

/** @param onDone gets the job afterwards. */
export function jobActions(job: JobRow, onDone: (job: JobDetail) => void): KeptElement<JobRow> {
  let shown = job;
  const problem = h('span', { class: 'problem', role: 'alert' });
  const act = async (control: Control, button: HTMLButtonElement) => {
    put(problem);
    if (control === 'cancel' && !(await confirmCancel(shown))) return;
    setAttribute(button, 'aria-busy', 'true');
    try {
      const detail = await post<JobDetail>(`/jobs/${encodeURIComponent(shown.jobId)}/${control}`);
      announce(`${shown.name} ${done[control]}`);
      onDone(detail);
    } catch (thrown) {
      if (!(thrown instanceof ApiFailure)) throw thrown;
      put(problem, thrown.message);
    } finally {
      setAttribute(button, 'aria-busy', undefined);
    }
  };
  const buttons = new Map<Control, HTMLButtonElement>();
  for (const control of ['pause', 'resume', 'cancel'] as const) {
    const button = h(
      'button',
      {
        type: 'button',
        class: control === 'cancel' ? 'danger' : undefined,
        'aria-label': `${labels[control]} ${job.name}`,
        onclick: () => void act(control, button),
      },
      labels[control],
    );
    buttons.set(control, button);
  }
  const element = h('span', { class: 'actions' }, ...buttons.values(), problem);
  return {
    element,
    update(next) {
      shown = next;
      const allowed = next.mayControl ? controlsFor(next.state) : [];
      // Keep the focus on the page when the pressed button disappears.
      const focused = document.activeElement;
      for (const [control, button] of buttons) button.hidden = !allowed.includes(control);
      if (focused instanceof HTMLButtonElement && focused.hidden && element.contains(focused)) {
        [...buttons.values()].find((button) => !button.hidden)?.focus();
      }
    },
  };
}

/** Why the actions are missing; undefined if they are present or if nobody could use them. */
export function whyNoActions({ mayControl, state, owner }: JobRow): string | undefined {
  if (mayControl || hasEnded(state)) return undefined;
  const whose = owner === '' ? '' : ` (it is ${owner}'s)`;
  return `Only the one who submitted this job${whose}, or an admin, may pause, resume or cancel it.`;
}

function confirmCancel({ name, steps, iterations }: JobRow): Promise<boolean> {
  const keep = h('button', { type: 'submit', value: 'keep', autofocus: true }, 'Keep it');
  const dialog = h(
    'dialog',
    { 'aria-labelledby': 'confirm-title', 'aria-describedby': 'confirm-text' },
    h(
      'form',
      { method: 'dialog' },
      h('h2', { id: 'confirm-title' }, `Cancel ${name}?`),
      h(
        'p',
        { id: 'confirm-text' },
        `It has applied ${steps.toLocaleString('en-US')} of ${iterations.toLocaleString('en-US')} meta-steps and cannot go on afterwards. ` +
          'Its checkpoints stay until it is forgotten.',
      ),
      h(
        'div',
        { class: 'dialog-buttons' },
        keep,
        h('button', { type: 'submit', value: 'cancel', class: 'danger' }, 'Cancel the job'),
      ),
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'cancel');
    });
  });
}
