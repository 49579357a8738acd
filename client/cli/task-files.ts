// What `adapt` and `predict` read: examples of a task and inputs to predict from, as a folder of
// images, a CSV file, JSON or NumPy's .npy. Nothing is computed here; the coordinator checks what
// it fits.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { csvRows } from '../../learning/tasks/csv.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { readNamedFile } from '../../shared/named-file.ts';
import type { ModelInputs, SupportSet } from '../models.ts';

/** Inputs with what people call them, such as the names of their files. */
export interface NamedInputs {
  readonly inputs: ModelInputs;
  readonly names: readonly string[];
}

const imagePattern = /\.(png|jpe?g)$/i;
const forms = 'a folder of images with a folder for each class, or a file .csv, .json or .npy (docs/using-models.md)';

/**
 * @param flag for errors, such as `--support`.
 * @param targetsFile of a .npy file of inputs: the file of their targets.
 * @throws MetatrainError `REQUEST_INVALID`
 */
export function readSupport(flag: string, path: string, targetsFile: string | undefined): SupportSet {
  if (isFolder(flag, path)) return supportOfFolder(flag, path);
  switch (extname(path).toLowerCase()) {
    case '.csv':
      return supportOfTable(flag, path);
    case '.json': {
      const { inputs, targets, labels } = readJson(flag, path);
      return { inputs, ...(targets && { targets }), ...(labels && { labels }) };
    }
    case '.npy': {
      if (targetsFile === undefined) throw invalid('--targets', 'nothing', `a .npy file of targets for ${path}`);
      const targets = readNpy('--targets', targetsFile);
      return { inputs: { numbers: readNpy(flag, path) }, targets };
    }
    default:
      throw invalid(flag, path, forms);
  }
}

/**
 * Inputs of all paths, one after another: folders and files of images, or tables, or one text that
 * is neither a file nor a folder: numbers such as `4` or `0.5,1`, or a sentence.
 *
 * @param form of the support set; a text that is no file is read as one of its kind.
 * @throws MetatrainError `REQUEST_INVALID`
 */
export function readQueries(flag: string, texts: readonly string[], form: keyof AnyInputs | undefined): NamedInputs {
  const read = texts.map((text) => queriesOf(flag, text, form));
  const [first] = read;
  if (!first) throw invalid(flag, 'nothing', 'inputs to predict from');
  const kinds = new Set(read.map(({ inputs }) => Object.keys(inputs)[0]));
  if (kinds.size > 1) throw invalid(flag, [...kinds].join(' and '), 'inputs of one kind');
  const names = read.flatMap(({ names }) => names);
  if ('images' in first.inputs)
    return { names, inputs: { images: read.flatMap(({ inputs }) => (inputs as AnyInputs).images ?? []) } };
  if ('texts' in first.inputs)
    return { names, inputs: { texts: read.flatMap(({ inputs }) => (inputs as AnyInputs).texts ?? []) } };
  return { names, inputs: { numbers: read.flatMap(({ inputs }) => Array.from((inputs as AnyInputs).numbers ?? [])) } };
}

/** The keys of `ModelInputs`, each of them absent but one. */
export interface AnyInputs {
  readonly numbers?: ArrayLike<number>;
  readonly images?: readonly Uint8Array[];
  readonly texts?: readonly string[];
}

function queriesOf(flag: string, text: string, form: keyof AnyInputs | undefined): NamedInputs {
  const kind = kindOf(text);
  if (kind === 'folder') {
    const files = imagesIn(text);
    if (files.length === 0) throw invalid(flag, text, 'a folder of PNG and JPEG files');
    return { names: files, inputs: { images: files.map((file) => readFileSync(join(text, file))) } };
  }
  if (kind === 'file') {
    if (imagePattern.test(text)) return { names: [basename(text)], inputs: { images: [readFileSync(text)] } };
    switch (extname(text).toLowerCase()) {
      case '.csv': {
        const { inputs, rows } = readTable(flag, text);
        return { inputs, names: rows };
      }
      case '.json': {
        const { inputs } = readJson(flag, text);
        return { inputs, names: 'texts' in inputs ? inputs.texts : [] };
      }
      case '.npy':
        return { inputs: { numbers: readNpy(flag, text) }, names: [] };
      default:
        throw invalid(flag, text, `a PNG or JPEG file, or ${forms}`);
    }
  }
  const numbers = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (numbers.every(Number.isFinite) && form !== 'texts') return { inputs: { numbers }, names: [text] };
  if (form === 'texts' || form === undefined) return { inputs: { texts: [text] }, names: [text] };
  throw invalid(flag, text, 'a file or folder that is there, or numbers such as 4 or 0.5,1');
}

function kindOf(path: string): 'folder' | 'file' | undefined {
  try {
    return statSync(path).isDirectory() ? 'folder' : 'file';
  } catch {
    return undefined;
  }
}

function isFolder(flag: string, path: string): boolean {
  const kind = kindOf(path);
  if (kind === undefined) throw invalid(flag, `${path}, which is not there`, forms);
  return kind === 'folder';
}

const imagesIn = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => imagePattern.test(name))
    .sort();

function supportOfFolder(flag: string, path: string): SupportSet {
  const classes = readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name)
    .sort();
  const files = classes.flatMap((label) => imagesIn(join(path, label)).map((file) => ({ label, file })));
  const empty = classes.find((label) => !files.some((file) => file.label === label));
  if (files.length === 0 || empty !== undefined) {
    throw invalid(
      flag,
      empty === undefined ? `${path}, which holds no class` : `${join(path, empty)}, which holds no image`,
      'a folder for each class, with PNG or JPEG files',
    );
  }
  return {
    inputs: { images: files.map(({ label, file }) => readFileSync(join(path, label, file))) },
    labels: files.map(({ label }) => label),
  };
}

function supportOfTable(flag: string, path: string): SupportSet {
  const { inputs, targets, labels } = readTable(flag, path);
  if (labels.length > 0) return { inputs, labels };
  if (targets.length > 0) return { inputs, targets };
  throw invalid(flag, `${path} without a column label or target`, tableRule);
}

const tableRule =
  'a header row; the column label, or columns that begin with target; the column text or image, or columns of numbers';

/** @returns `rows`: what people call each row. */
function readTable(flag: string, path: string) {
  try {
    const [head, ...body] = csvRows(readNamedFile(flag, path).toString('utf8'));
    if (!head || body.length === 0) throw new Error('it has no rows');
    const places = (wanted: (name: string) => boolean) =>
      head.fields.flatMap((name, at) => (wanted(name.trim().toLowerCase()) ? [at] : []));
    const [label] = places((name) => name === 'label');
    const targetColumns = places((name) => name.startsWith('target'));
    const [text] = places((name) => name === 'text');
    const [image] = places((name) => name === 'image');
    const used = new Set([label, text, image, ...targetColumns]);
    const numberColumns = head.fields.flatMap((_, at) => (used.has(at) ? [] : [at]));
    for (const { line, fields } of body) {
      if (fields.length !== head.fields.length)
        throw new Error(`line ${line} has ${fields.length} fields instead of ${head.fields.length}`);
    }
    const column = (at: number) => body.map(({ fields }) => fields[at]!);
    const numbersOf = (columns: readonly number[]) =>
      body.flatMap(({ line, fields }) =>
        columns.map((at) => {
          const value = fields[at]!.trim() === '' ? Number.NaN : Number(fields[at]);
          if (Number.isFinite(value)) return value;
          throw new Error(`line ${line}, column ${head.fields[at]}: got "${fields[at]}"; accepted: a number`);
        }),
      );
    const targets = numbersOf(targetColumns);
    const labels = label === undefined ? [] : column(label);
    if (text !== undefined) return { inputs: { texts: column(text) }, targets, labels, rows: column(text) };
    if (image !== undefined) {
      const files = column(image);
      return {
        inputs: { images: files.map((file) => readFileSync(join(dirname(path), file))) },
        targets,
        labels,
        rows: files,
      };
    }
    if (numberColumns.length === 0) throw new Error('it has no column of inputs');
    const rows = body.map(({ fields }) => numberColumns.map((at) => fields[at]).join(', '));
    return { inputs: { numbers: numbersOf(numberColumns) }, targets, labels, rows };
  } catch (cause) {
    if (cause instanceof MetatrainError) throw cause;
    throw invalid(flag, `${path}: ${cause instanceof Error ? cause.message : String(cause)}`, tableRule);
  }
}

/** `{"inputs": numbers, nested or not, "targets": …}`, or `{"texts": […], "labels": […]}`. */
function readJson(flag: string, path: string) {
  const rule = '{"inputs": numbers, "targets": numbers} or {"texts": [texts], "labels": [texts]}';
  let value: unknown;
  try {
    value = JSON.parse(readNamedFile(flag, path).toString('utf8'));
  } catch (cause) {
    if (cause instanceof MetatrainError) throw cause;
    throw invalid(flag, `${path}, which is no JSON`, rule);
  }
  const { inputs, texts, targets, labels } = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  const areTexts = (list: unknown): list is string[] =>
    Array.isArray(list) && list.every((one) => typeof one === 'string');
  const flat = (list: unknown): number[] | undefined => {
    const numbers = Array.isArray(list) ? list.flat(Number.POSITIVE_INFINITY) : undefined;
    return numbers?.every((one) => typeof one === 'number') ? (numbers as number[]) : undefined;
  };
  const numbers = flat(inputs);
  const isGood =
    (numbers !== undefined) !== areTexts(texts) &&
    (labels === undefined || areTexts(labels)) &&
    (targets === undefined || flat(targets));
  if (!isGood) throw invalid(flag, path, rule);
  return {
    inputs: (numbers ? { numbers } : { texts }) as ModelInputs,
    targets: flat(targets),
    labels: labels as string[] | undefined,
  };
}

/** NumPy's format, versions 1 and 2: float32 or float64, little-endian, in C order. */
function readNpy(flag: string, path: string): Float64Array {
  const bytes = readNamedFile(flag, path);
  const accepted = 'a .npy file of float32 or float64 in C order';
  const isNpy = bytes.subarray(0, 6).toString('latin1') === '\x93NUMPY' && bytes.byteLength > 12;
  if (!isNpy) throw invalid(flag, path, accepted);
  const [start, length] = bytes[6] === 1 ? [10, bytes.readUInt16LE(8)] : [12, bytes.readUInt32LE(8)];
  const header = bytes.toString('latin1', start, start + length);
  const type = /'descr': '<f([48])'/.exec(header)?.[1];
  if (type === undefined || !header.includes("'fortran_order': False"))
    throw invalid(flag, `${path}, with ${header.trim()}`, accepted);
  const body = bytes.subarray(start + length);
  const width = Number(type);
  return Float64Array.from({ length: Math.floor(body.byteLength / width) }, (_, at) =>
    width === 4 ? body.readFloatLE(at * 4) : body.readDoubleLE(at * 8),
  );
}

function invalid(flag: string, got: string, accepted: string): MetatrainError {
  return new MetatrainError('REQUEST_INVALID', `${flag}: got ${got}; accepted: ${accepted}`);
}
