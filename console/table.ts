// Tables that keep their row elements while the cells change. On a narrow screen the style sheet
// turns each row into a card. The roles are explicit, so that a screen reader still finds a table.
import { type Attributes, h, KeyedElements, put } from './dom.ts';
import { nothing } from './words.ts';

export interface Column<Row> {
  readonly title: string;
  readonly class?: string;
  /** Makes the cell's content once; the returned function updates it. */
  readonly cell: (cell: HTMLElement, row: Row) => (row: Row) => void;
}

export class Table<Row> {
  readonly element: HTMLElement;
  readonly #rows: KeyedElements<Row>;
  readonly #keyOf: (row: Row) => string;
  readonly #empty: HTMLElement;
  readonly #table: HTMLElement;

  /** @param empty text of a table without rows. */
  constructor(name: string, columns: readonly Column<Row>[], keyOf: (row: Row) => string, empty: HTMLElement) {
    this.#keyOf = keyOf;
    this.#empty = empty;
    const body = h('tbody', { role: 'rowgroup' });
    const heads = columns.map(({ title, class: kind }) =>
      h(
        'th',
        { role: 'columnheader', scope: 'col', class: kind },
        title || h('span', { class: 'hidden-text' }, 'Actions'),
      ),
    );
    this.#table = h(
      'table',
      { role: 'table', 'aria-label': name },
      h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, ...heads)),
      body,
    );
    this.element = h('div', { class: 'table' }, this.#table, empty);
    this.#rows = new KeyedElements(body, (row) => {
      const updates: ((row: Row) => void)[] = [];
      const cells = columns.map(({ title, class: kind, cell }) => {
        const attributes: Attributes = {
          role: 'cell',
          'data-title': title,
          ...(kind !== undefined && { class: kind }),
        };
        const element = h('td', attributes);
        updates.push(cell(element, row));
        return element;
      });
      const element = h('tr', { role: 'row' }, ...cells);
      return {
        element,
        update(next) {
          for (const update of updates) update(next);
        },
      };
    });
  }

  show(rows: readonly Row[]): void {
    this.#table.hidden = rows.length === 0;
    this.#empty.hidden = rows.length > 0;
    this.#rows.show(rows, this.#keyOf);
  }
}

/** A cell with a text of its row. */
export const textCell =
  <Row>(text: (row: Row) => string) =>
  (cell: HTMLElement): ((row: Row) => void) =>
  (row) => {
    const next = text(row);
    if (cell.textContent === next) return;
    put(cell, next);
    cell.toggleAttribute('data-nothing', next === nothing || next === '');
  };
