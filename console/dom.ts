// Makes and keeps elements. Text enters the page only as text, so no text of a job or a worker can
// become markup.

type Child = Node | string | undefined | false;

export interface Attributes {
  readonly class?: string | undefined;
  readonly onclick?: (event: MouseEvent) => void;
  readonly onsubmit?: (event: SubmitEvent) => void;
  readonly [name: string]: unknown;
}

/** An element with attributes; `true` sets an empty one, `false` and undefined none. */
export function h<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(key.slice(2), value as EventListener);
    else element.setAttribute(key, value === true ? '' : String(value));
  }
  put(element, ...children);
  return element;
}

/** Replaces the element's content. */
export function put(element: Element, ...children: readonly Child[]): void {
  element.replaceChildren(
    ...children.filter((child): child is Node | string => child !== undefined && child !== false),
  );
}

/** Sets the text only if it differs, so that unchanged text is not drawn or spoken again. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element: Element, name: string, value: string | undefined): void {
  if (value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no #${id}`);
  return element;
}

export interface KeptElement<Item> {
  readonly element: Element;
  /** Called when the element is in the page, and when the item has changed. */
  update(item: Item): void;
}

/** Keeps elements while their items change, so focus, selection and scroll position stay. */
export class KeyedElements<Item> {
  readonly #parent: Element;
  readonly #make: (item: Item) => KeptElement<Item>;
  readonly #kept = new Map<string, KeptElement<Item>>();

  /** @param parent contains only these elements. */
  constructor(parent: Element, make: (item: Item) => KeptElement<Item>) {
    this.#parent = parent;
    this.#make = make;
  }

  show(items: readonly Item[], keyOf: (item: Item) => string): void {
    const wanted = new Set<string>();
    let before: Element | null = this.#parent.firstElementChild;
    for (const item of items) {
      const key = keyOf(item);
      wanted.add(key);
      let row = this.#kept.get(key);
      if (!row) {
        row = this.#make(item);
        this.#kept.set(key, row);
      }
      if (row.element === before) before = before.nextElementSibling;
      else this.#parent.insertBefore(row.element, before);
      row.update(item);
    }
    for (const [key, { element }] of this.#kept) {
      if (wanted.has(key)) continue;
      element.remove();
      this.#kept.delete(key);
    }
  }
}

/** Only for screen readers. */
export const announce = (text: string): void => setText(byId('announcement'), text);
