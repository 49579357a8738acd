// Comma-separated values (RFC 4180): the rows of a text, with quoted fields, line breaks and doubled quotes
// inside of them. What is not such a text is refused with its line.

export interface CsvRow {
  /** Where it begins, counted from 1. */
  readonly line: number;
  readonly fields: readonly string[];
}

/** Rows without the empty lines. @throws Error that says what is wrong and in which line. */
export function* csvRows(text: string): Iterable<CsvRow> {
  const field = /"((?:[^"]|"")*)"|([^",\r\n]*)/y;
  let at = text.startsWith('\ufeff') ? 1 : 0;
  let line = 1;
  while (at < text.length) {
    const start = line;
    const fields: string[] = [];
    for (;;) {
      field.lastIndex = at;
      const [whole, quoted, plain] = field.exec(text)!;
      at += whole.length;
      line += linesIn(whole);
      fields.push(quoted === undefined ? plain! : quoted.replaceAll('""', '"'));
      const next = text[at];
      if (next === ',') {
        at += 1;
        continue;
      }
      if (next === undefined) break;
      if (next !== '\n' && next !== '\r') throw new Error(`line ${line}: ${mistake(text, at)}`);
      at += text.startsWith('\r\n', at) ? 2 : 1;
      line += 1;
      break;
    }
    if (fields.length > 1 || fields[0] !== '') yield { line: start, fields };
  }
}

const linesIn = (text: string): number => text.match(/\r\n|\r|\n/g)?.length ?? 0;

const mistake = (text: string, at: number): string =>
  text[at] === '"' ? 'a quote inside a field, or one that is not closed' : 'text after a closing quote';
