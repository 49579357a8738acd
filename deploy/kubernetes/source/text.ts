// Writes nodes as YAML: plain, or as a template of Helm, with the same layout. In a template an
// expression prints JSON, which is YAML on one line, so no indentation depends on a value.
import { Conditional, Expression, type Node, type NodeMap, Noted, OneLine, OnlyInChart, Spread } from './nodes.ts';

/** Documents with `---` between them. A document under a condition prints nothing when it is not met. */
export function yamlOf(documents: readonly Node[]): string {
  return `${documents.flatMap((document) => documentLines(document)).join('\n')}\n`;
}

function documentLines(node: Node): string[] {
  if (!(node instanceof Conditional)) return ['---', ...linesOf(node, '')];
  return [`{{- if ${node.condition.pipeline} }}`, ...documentLines(node.node), '{{- end }}'];
}

/** A map's or a list's lines. */
function linesOf(node: Node, indent: string): string[] {
  if (Array.isArray(node)) return (node as readonly Node[]).flatMap((item) => itemLines(item, indent));
  return Object.entries(node as NodeMap).flatMap(([key, value]) => entryLines(key, value, indent));
}

function itemLines(item: Node, indent: string): string[] {
  if (item instanceof Spread) {
    return [`${indent}{{- range ${item.expression.pipeline} }}`, `${indent}- {{ toJson . }}`, `${indent}{{- end }}`];
  }
  if (item instanceof Conditional) return guarded(item, indent, (node) => itemLines(node, indent));
  if (item instanceof OnlyInChart) return itemLines(item.node, indent);
  if (item instanceof Noted) return [...commentLines(item.comment, indent), ...itemLines(item.node, indent)];
  if (isBlock(item)) {
    const [first, ...rest] = linesOf(item, `${indent}  `);
    if (/^\s*({{|#)/.test(first!)) throw new Error(`an item's first entry has no condition or comment: ${first}`);
    return [`${indent}- ${first!.trimStart()}`, ...rest];
  }
  return scalarLines(`${indent}- `, item, `${indent}  `);
}

function entryLines(key: string, value: Node, indent: string): string[] {
  if (value instanceof Spread) {
    const { pipeline } = value.expression;
    return [
      `${indent}{{- range $key, $value := ${pipeline} }}`,
      `${indent}{{ toJson $key }}: {{ toJson $value }}`,
      `${indent}{{- end }}`,
    ];
  }
  if (value instanceof Conditional) return guarded(value, indent, (node) => entryLines(key, node, indent));
  if (value instanceof OnlyInChart) return entryLines(key, value.node, indent);
  if (value instanceof Noted) return [...commentLines(value.comment, indent), ...entryLines(key, value.node, indent)];
  const name = scalarOf(key);
  if (isBlock(value)) return [`${indent}${name}:`, ...linesOf(value, `${indent}  `)];
  return scalarLines(`${indent}${name}: `, value, `${indent}  `);
}

function guarded(node: Conditional, indent: string, linesOfInner: (node: Node) => string[]): string[] {
  return [`${indent}{{- if ${node.condition.pipeline} }}`, ...linesOfInner(node.node), `${indent}{{- end }}`];
}

const isBlock = (node: Node): boolean =>
  typeof node === 'object' &&
  node !== null &&
  !(node instanceof Expression || node instanceof OneLine) &&
  Object.keys(node).length > 0;

const commentLines = (comment: string, indent: string): string[] =>
  comment.split('\n').map((line) => `${indent}# ${line}`);

function scalarLines(start: string, node: Node, indent: string): string[] {
  if (typeof node !== 'string' || !node.endsWith('\n')) return [`${start}${scalarOf(node)}`];
  const lines = node.slice(0, -1).split('\n');
  return [`${start}|`, ...lines.map((line) => (line === '' ? '' : `${indent}${line}`))];
}

function scalarOf(node: Node): string {
  if (node instanceof Expression) return `{{ ${node.pipeline} | toJson }}`;
  if (node instanceof OneLine) return JSON.stringify(node.value);
  if (typeof node !== 'string') return JSON.stringify(node);
  return isPlain(node) ? node : JSON.stringify(node);
}

/** Texts that any YAML parser reads as texts; all others are quoted. */
function isPlain(value: string): boolean {
  if (/^(true|false|yes|no|on|off|null|[yn])$/i.test(value)) return false;
  return /^[A-Za-z/]([\w ,./:@=+()'-]*[\w./)=-])?$/.test(value) && !/: | #|:$/.test(value);
}
