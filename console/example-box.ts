// Where examples of one class, or queries, are entered: numbers and sentences line by line; images
// as files that are chosen or dropped, or drawn with mouse, pen or finger.
import type { JobTask } from '../shared/http-api.ts';
import { h, put, setAttribute } from './dom.ts';

/** Inputs as /models/adapt takes them; one of the three. */
export interface GivenInputs {
  readonly numbers?: readonly number[];
  readonly images?: readonly string[];
  readonly texts?: readonly string[];
}

export interface ExampleBox {
  readonly element: HTMLElement;
  /** How many there are, and what people call each. */
  names(): readonly string[];
  /** Small pictures of images, by their place; empty for other forms. */
  pictures(): readonly HTMLCanvasElement[];
  /** @throws Error that says what cannot be read. */
  inputs(): GivenInputs;
}

const pictureSide = 44;
const drawingSide = 168;
const strokeWidth = 10;

/** @param id of its field, for the label. @param hint below the field. */
export const exampleBox = (task: JobTask, id: string, hint: string): ExampleBox =>
  task.form === 'image' ? imageBox(task, id) : lineBox(task, id, hint);

function lineBox({ form, input }: JobTask, id: string, hint: string): ExampleBox {
  const text = h('textarea', {
    id,
    rows: form === 'text' ? '3' : '4',
    spellcheck: 'false',
    'aria-describedby': `${id}-help`,
  });
  const lines = () =>
    text.value
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  const width = input.reduce((product, size) => product * size, 1);
  return {
    element: h('div', {}, text, h('p', { id: `${id}-help`, class: 'muted below' }, hint)),
    names: lines,
    pictures: () => [],
    inputs() {
      if (form === 'text') return { texts: lines() };
      return { numbers: lines().flatMap((line) => numbersOf(line, width)) };
    },
  };
}

/** @throws Error naming the line. */
export function numbersOf(line: string, count: number): number[] {
  const numbers = line.split(/[\s,;]+/).map(Number);
  if (numbers.length === count && numbers.every(Number.isFinite)) return numbers;
  throw new Error(
    `"${line}": got ${numbers.length === 1 ? 'one part' : `${numbers.length} parts`}; accepted: ${count === 1 ? 'a number' : `${count} numbers`}`,
  );
}

interface GivenImage {
  readonly name: string;
  readonly base64: string;
  readonly picture: HTMLCanvasElement;
}

function imageBox({ input }: JobTask, id: string): ExampleBox {
  const images: GivenImage[] = [];
  const list = h('ul', { class: 'pictures', 'aria-label': 'Images' });
  const problem = h('p', { class: 'problem', role: 'alert' });
  const show = () =>
    put(
      list,
      ...images.map((image, at) =>
        h(
          'li',
          {},
          image.picture,
          h(
            'button',
            {
              type: 'button',
              class: 'plain',
              'aria-label': `Remove ${image.name}`,
              onclick: () => {
                images.splice(at, 1);
                show();
              },
            },
            '×',
          ),
        ),
      ),
    );
  const add = async (blob: Blob, name: string) => {
    try {
      const bitmap = await createImageBitmap(blob);
      images.push({ name, base64: await base64Of(blob), picture: pictureOf(bitmap, name) });
      show();
    } catch {
      put(problem, `${name} is no image that this browser can read; accepted: PNG and JPEG`);
    }
  };
  const addAll = async (files: Iterable<File>) => {
    put(problem);
    for (const file of files) await add(file, file.name);
  };
  const chosen = h('input', { id, type: 'file', accept: 'image/png,image/jpeg', multiple: true });
  chosen.addEventListener('change', () => {
    void addAll([...(chosen.files ?? [])]);
    chosen.value = '';
  });
  const canBeDrawn = input.at(-1) === 1;
  const pad = canBeDrawn ? drawingPad(id, (drawing) => void add(drawing, `drawing ${images.length + 1}`)) : undefined;
  const hint = h('p', { class: 'muted below' }, 'PNG or JPEG files; they can be dropped here too.');
  const element = h('div', { class: 'drop' }, list, chosen, hint, pad, problem);
  element.addEventListener('dragover', (event) => {
    event.preventDefault();
    setAttribute(element, 'data-over', 'true');
  });
  element.addEventListener('dragleave', () => setAttribute(element, 'data-over', undefined));
  element.addEventListener('drop', (event) => {
    event.preventDefault();
    setAttribute(element, 'data-over', undefined);
    void addAll([...(event.dataTransfer?.files ?? [])]);
  });
  return {
    element,
    names: () => images.map(({ name }) => name),
    pictures: () => images.map(({ picture }) => picture),
    inputs: () => ({ images: images.map(({ base64 }) => base64) }),
  };
}

function pictureOf(bitmap: ImageBitmap, name: string): HTMLCanvasElement {
  const picture = h('canvas', { width: pictureSide, height: pictureSide, role: 'img', 'aria-label': name });
  picture.getContext('2d')?.drawImage(bitmap, 0, 0, pictureSide, pictureSide);
  return picture;
}

async function base64Of(blob: Blob): Promise<string> {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** Dark ink on white paper, handed over as a PNG. Opened by a button, so that it takes no room before. */
function drawingPad(id: string, onDrawn: (png: Blob) => void): HTMLElement {
  const canvas = h('canvas', {
    width: drawingSide,
    height: drawingSide,
    class: 'pad',
    role: 'img',
    'aria-label': 'Drawing area: draw with mouse, pen or finger',
  });
  const ink = canvas.getContext('2d')!;
  const clear = () => {
    ink.fillStyle = '#fff';
    ink.fillRect(0, 0, drawingSide, drawingSide);
  };
  clear();
  ink.lineWidth = strokeWidth;
  ink.lineCap = 'round';
  ink.lineJoin = 'round';
  let isDown = false;
  const to = (event: PointerEvent) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return [((event.clientX - left) * drawingSide) / width, ((event.clientY - top) * drawingSide) / height] as const;
  };
  canvas.addEventListener('pointerdown', (event) => {
    isDown = true;
    canvas.setPointerCapture(event.pointerId);
    ink.beginPath();
    ink.moveTo(...to(event));
    ink.lineTo(...to(event));
    ink.stroke();
  });
  canvas.addEventListener('pointermove', (event) => {
    if (!isDown) return;
    ink.lineTo(...to(event));
    ink.stroke();
  });
  for (const end of ['pointerup', 'pointercancel'] as const) canvas.addEventListener(end, () => (isDown = false));
  const take = () => {
    canvas.toBlob((png) => png && onDrawn(png), 'image/png');
    clear();
  };
  return h(
    'details',
    { class: 'drawing' },
    h('summary', { id: `${id}-draw` }, 'Draw one'),
    canvas,
    h(
      'div',
      { class: 'drawing-buttons' },
      h('button', { type: 'button', onclick: take }, 'Take the drawing'),
      h('button', { type: 'button', class: 'plain', onclick: clear }, 'Clear'),
    ),
  );
}
