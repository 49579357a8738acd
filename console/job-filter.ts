// Which jobs the overview shows: those with a text in their name, id or tags, in a state, with a tag. It
// narrows what is loaded, and asks the coordinator for nothing.
import type { JobRow } from '../shared/http-api.ts';
import { h, put } from './dom.ts';

const states = ['running', 'queued', 'paused', 'succeeded', 'failed', 'cancelled'] as const;

export class JobFilter {
  readonly element: HTMLElement;
  readonly #text = h('input', { type: 'search', placeholder: 'Search jobs', 'aria-label': 'Search jobs' });
  readonly #state = h('select', { 'aria-label': 'State' });
  readonly #tag = h('select', { 'aria-label': 'Tag', hidden: true });
  #tags = '';

  constructor(onChange: () => void) {
    put(this.#state, ...choices('Any state', states));
    put(this.#tag, ...choices('Any tag', []));
    for (const element of [this.#text, this.#state, this.#tag]) element.addEventListener('input', onChange);
    this.element = h('div', { class: 'filter', role: 'search' }, this.#text, this.#state, this.#tag);
  }

  /** The tags to choose from. The chosen one stays. */
  setTags(tags: readonly string[]): void {
    const chosen = this.#tag.value;
    const all = [...new Set(chosen === '' ? tags : [...tags, chosen])].sort();
    if (all.join() === this.#tags) return;
    this.#tags = all.join();
    put(this.#tag, ...choices('Any tag', all));
    this.#tag.value = chosen;
    this.#tag.hidden = all.length === 0;
  }

  accepts({ jobId, name, state, tags }: JobRow): boolean {
    const text = this.#text.value.trim().toLowerCase();
    const [wantedState, wantedTag] = [this.#state.value, this.#tag.value];
    if (wantedState !== '' && state !== wantedState) return false;
    if (wantedTag !== '' && !tags.includes(wantedTag)) return false;
    return [name, jobId, ...tags].some((one) => one.includes(text));
  }
}

const choices = (any: string, values: readonly string[]): HTMLElement[] => [
  h('option', { value: '' }, any),
  ...values.map((value) => h('option', { value }, value)),
];
