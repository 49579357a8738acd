// The workers, with their recent shards a second.
import type { WorkerList, WorkerRow } from '../shared/http-api.ts';
import { formatBytes, formatCount, formatValue } from '../shared/numbers.ts';
import { elapsedMs } from './clock.ts';
import { h, put, setText } from './dom.ts';
import { Table, textCell } from './table.ts';
import { nothing, stateBadge } from './words.ts';

/** Window of a rate. */
const windowMs = 10_000;

interface Sample {
  readonly at: number;
  readonly shards: number;
}

export class WorkersTable {
  readonly element: HTMLElement;
  readonly #table: Table<WorkerRow>;
  readonly #more = h('p', { class: 'muted', hidden: true });
  readonly #samples = new Map<string, Sample[]>();
  #list: WorkerList = { at: '', workers: [], total: 0 };

  constructor() {
    const empty = h(
      'p',
      { class: 'empty' },
      'No worker is connected, so nothing is computed. Start one: ',
      h('code', {}, 'metatrain worker --coordinator HOST:PORT'),
    );
    this.#table = new Table<WorkerRow>(
      'Workers',
      [
        {
          title: 'Worker',
          class: 'name',
          cell: (cell, { workerId, address, version }) => {
            put(cell, h('span', {}, workerId), h('span', { class: 'id', title: `version ${version}` }, address));
            return () => undefined;
          },
        },
        {
          title: 'State',
          cell: (cell) => {
            let shown = '';
            return ({ state }) => {
              if (state !== shown) put(cell, stateBadge(state));
              shown = state;
            };
          },
        },
        {
          title: 'Device',
          cell: (cell, { engine, device, engineFingerprint }) => {
            const memory = device.memoryBytes > 0 ? `, ${formatBytes(device.memoryBytes)}` : '';
            put(
              cell,
              `${engine} on ${device.kind}`,
              h('span', { class: 'id', title: engineFingerprint }, `${device.name}${memory}`),
            );
            return () => undefined;
          },
        },
        { title: 'Slots busy', class: 'number', cell: textCell(({ leases, slots }) => `${leases} of ${slots}`) },
        { title: 'Shards/s', class: 'number', cell: textCell((worker) => this.#rateText(worker)) },
        { title: 'Shards', class: 'number', cell: textCell(({ shardsCompleted }) => formatCount(shardsCompleted)) },
        {
          title: 'Remarks',
          class: 'wide',
          cell: textCell(({ idleReason, resultsRejected }) =>
            [idleReason, resultsRejected > 0 ? `${formatCount(resultsRejected)} results rejected` : '']
              .filter((remark) => remark !== '')
              .join('; '),
          ),
        },
      ],
      ({ workerId }) => workerId,
      empty,
    );
    this.element = h('div', {}, this.#table.element, this.#more);
    this.#draw();
  }

  get list(): WorkerList {
    return this.#list;
  }

  take(list: WorkerList): void {
    this.#list = list;
    const at = elapsedMs();
    const known = new Set(list.workers.map(({ workerId }) => workerId));
    for (const workerId of this.#samples.keys()) if (!known.has(workerId)) this.#samples.delete(workerId);
    for (const { workerId, shardsCompleted: shards } of list.workers) {
      const samples = this.#samples.get(workerId) ?? [];
      // After a reconnection it counts from 0.
      if ((samples.at(-1)?.shards ?? 0) > shards) samples.length = 0;
      samples.push({ at, shards });
      while (samples[1] && samples[1].at <= at - windowMs) samples.shift();
      this.#samples.set(workerId, samples);
    }
    this.#draw();
  }

  /** Called as time passes. */
  tick(): void {
    this.#draw();
  }

  #rateText(worker: WorkerRow): string {
    const rate = this.#rate(worker);
    return rate === undefined ? nothing : rate === 0 ? '0' : formatValue(rate);
  }

  /**
   * Shards a second since the start of the window; undefined until there is a rate. Earlier shards
   * count as done at the start.
   */
  #rate({ workerId }: WorkerRow): number | undefined {
    const samples = this.#samples.get(workerId) ?? [];
    const end = elapsedMs();
    const start = samples.findLast(({ at }) => at <= end - windowMs) ?? samples[0];
    const last = samples.at(-1);
    if (!start || !last || end - start.at < 1_000) return undefined;
    return (last.shards - start.shards) / (Math.min(windowMs, end - start.at) / 1_000);
  }

  #draw(): void {
    const { workers, total } = this.#list;
    this.#table.show(workers);
    this.#more.hidden = total <= workers.length;
    setText(
      this.#more,
      `The first ${formatCount(workers.length)} of ${formatCount(total)}; metatrain workers lists all.`,
    );
  }
}
