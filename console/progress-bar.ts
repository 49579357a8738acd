// How far a job has come: a bar, and the numbers beside it.
import type { JobRow } from '../shared/http-api.ts';
import { formatCount } from '../shared/numbers.ts';
import { h, type KeptElement, setAttribute, setText } from './dom.ts';

export function progressBar({ name, iterations }: JobRow): KeptElement<JobRow> {
  const bar = h('progress', { max: iterations, value: 0, 'aria-label': `Meta-steps of ${name}` });
  const text = h('span', { class: 'progress-text' });
  return {
    element: h('span', { class: 'progress' }, bar, text),
    update({ steps, state }) {
      bar.value = steps;
      setAttribute(bar, 'data-state', state);
      setText(text, `${formatCount(steps)} of ${formatCount(iterations)}`);
    },
  };
}
