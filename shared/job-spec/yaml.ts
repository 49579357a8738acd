// YAML text to plain values and back, in bounded time and stack. The parser recurses into nested
// collections and compares every key of a mapping with every other, so text that is too deep or too
// long is refused before it is parsed. Accepts no aliases and no keys other than texts. Knows
// nothing of job files.
import { Document, isScalar, isSeq, Lexer, LineCounter, Parser, parseDocument, Scalar, stringify, visit } from 'yaml';

/** Most words, marks and spaces between them in one text. */
export const maxYamlLexemes = 16_384;
/** Most levels of nested collections. */
export const maxYamlDepth = 32;

/** Why a text is refused: what it has, and what is accepted. */
export class YamlRefusal extends Error {
  readonly got: string;
  readonly accepted: string;

  constructor(got: string, accepted: string) {
    super(`${got}; accepted: ${accepted}`);
    this.got = got;
    this.accepted = accepted;
  }
}

/** @throws YamlRefusal for any invalid text, and no other error. */
export function plainYaml(text: string): unknown {
  refuseExcess(text);
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    // With `prettyErrors`, every error searches through the whole text.
    prettyErrors: false,
    stringKeys: true,
    logLevel: 'error',
  });
  const error = document.errors[0];
  if (error) {
    const { line, col } = lines.linePos(error.pos[0]);
    const what = ownWords[error.code] ?? error.message;
    throw new YamlRefusal(`${what} at line ${line}, column ${col}`, 'one YAML or JSON document, each key once');
  }
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    throw new YamlRefusal(cause instanceof Error ? cause.message : String(cause), 'YAML without aliases');
  }
}

/** Plain values as YAML text, one line a value however long it is. */
export const yamlText = (value: unknown): string => stringify(value, { indent: 2, lineWidth: 0 });

/** As `yamlText`, with each mapping of nothing but short values, and lists of them, on one line. */
export function compactYamlText(value: unknown): string {
  const document = new Document(value);
  visit(document, {
    Map(_key, map) {
      const isPlain = (node: unknown): boolean =>
        isSeq(node) ? node.items.every(isScalar) : isScalar(node) && !String(node.value).includes('\n');
      if (!map.items.every((pair) => isPlain(pair.value))) return;
      map.flow = true;
      // Parsers disagree about unquoted marks, such as "?", between braces.
      for (const { value } of map.items) {
        if (isScalar(value) && /[^\w ]/.test(String(value.value)) && typeof value.value === 'string')
          value.type = Scalar.QUOTE_DOUBLE;
      }
    },
  });
  return document.toString({ indent: 2, lineWidth: 0 });
}

/** Our words for messages in which the library names its own options. */
const ownWords: Readonly<Record<string, string>> = {
  MULTIPLE_DOCS: 'another document',
  NON_STRING_KEY: 'a key that is no text',
};

/** Uses the first passes of the library, which take linear time and do not recurse. */
function refuseExcess(text: string): void {
  const parser = new Parser();
  let lexemes = 0;
  for (const lexeme of new Lexer().lex(text)) {
    lexemes += 1;
    if (lexemes > maxYamlLexemes) {
      throw new YamlRefusal('too long a text', `at most ${maxYamlLexemes} words, marks and spaces between them`);
    }
    for (const tree of parser.next(lexeme)) refuseDepth(tree);
  }
  for (const tree of parser.end()) refuseDepth(tree);
}

function refuseDepth(tree: object): void {
  const waiting: (readonly [token: object, depth: number])[] = [[tree, 1]];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const [token, depth] = next;
    if (depth > maxYamlDepth) throw new YamlRefusal('collections nested too deep', `at most ${maxYamlDepth} levels`);
    if ('items' in token) {
      for (const { key, value } of token.items as { key?: object | null; value?: object | null }[]) {
        if (key) waiting.push([key, depth + 1]);
        if (value) waiting.push([value, depth + 1]);
      }
    } else if ('value' in token && token.value && typeof token.value === 'object') {
      waiting.push([token.value, depth]);
    }
  }
}
