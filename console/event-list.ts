// A bounded list of events, newest first.
import { beforeNextFrame } from './clock.ts';
import { h, KeyedElements } from './dom.ts';
import { timeElement } from './words.ts';

export interface ListedEvent {
  readonly key: string;
  readonly time: string;
  /** The subject of the event; undefined on a page about one subject. */
  readonly subject?: string;
  readonly href?: string;
  readonly text: string;
  readonly isBad: boolean;
}

export class EventList {
  readonly element: HTMLElement;
  readonly #limit: number;
  readonly #list = h('ol', { class: 'events', reversed: true });
  readonly #empty = h('p', { class: 'empty' }, 'Nothing has happened yet.');
  readonly #rows: KeyedElements<ListedEvent>;
  readonly #draw = beforeNextFrame(() => this.#drawNow());
  #events: ListedEvent[] = [];

  constructor(limit: number) {
    this.#limit = limit;
    this.element = h(
      'div',
      { class: 'events-box', tabindex: '0', role: 'region', 'aria-label': 'Events, newest first' },
      this.#list,
      this.#empty,
    );
    this.#rows = new KeyedElements(this.#list, ({ time, subject, href, text, isBad }) => ({
      element: h(
        'li',
        { class: isBad ? 'bad' : undefined },
        timeElement(time),
        subject !== undefined &&
          (href === undefined ? h('span', { class: 'subject' }, subject) : h('a', { class: 'subject', href }, subject)),
        h('span', { class: 'what' }, text),
      ),
      update: () => undefined,
    }));
    this.#draw();
  }

  add(event: ListedEvent): void {
    this.#events.unshift(event);
    this.#events.length = Math.min(this.#events.length, this.#limit);
    this.#draw();
  }

  clear(): void {
    this.#events = [];
    this.#draw();
  }

  #drawNow(): void {
    this.#list.hidden = this.#events.length === 0;
    this.#empty.hidden = this.#events.length > 0;
    this.#rows.show(this.#events, ({ key }) => key);
  }
}
