// The manifests as data. A leaf of an object may be an expression over the values of the Helm
// chart: it has a value (for kustomize) and a pipeline of Go templates that prints that value (for
// the chart). So base, overlays and chart agree on each object. Writes no text.

export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

/** The values of the chart, with all defaults. */
export type Values = JsonObject;

export class Expression {
  readonly valueIn: (values: Values) => Json;
  /** Of Go templates, such as `.Values.worker.replicas`. */
  readonly pipeline: string;

  constructor(valueIn: (values: Values) => Json, pipeline: string) {
    this.valueIn = valueIn;
    this.pipeline = pipeline;
  }
}

/** A document, a map's entry or a list's item that is there under a condition. */
export class Conditional {
  readonly condition: Expression;
  readonly node: Node;

  constructor(condition: Expression, node: Node) {
    this.condition = condition;
    this.node = node;
  }
}

/** A map's entry or a list's item with a comment above it. */
export class Noted {
  readonly comment: string;
  readonly node: Node;

  constructor(comment: string, node: Node) {
    this.comment = comment;
    this.node = node;
  }
}

/** All items of a list among a list's items; under the key `...`, all entries of a map. */
export class Spread {
  readonly expression: Expression;

  constructor(expression: Expression) {
    this.expression = expression;
  }
}

/** A value on one line, as JSON. */
export class OneLine {
  readonly value: Json;

  constructor(value: Json) {
    this.value = value;
  }
}

/** What Helm adds and kustomize does not. */
export class OnlyInChart {
  readonly node: Node;

  constructor(node: Node) {
    this.node = node;
  }
}

export type Node =
  | null
  | boolean
  | number
  | string
  | Expression
  | Conditional
  | Noted
  | Spread
  | OneLine
  | OnlyInChart
  | readonly Node[]
  | NodeMap;
export interface NodeMap {
  readonly [key: string]: Node;
}

export const when = (condition: Expression, node: Node): Conditional => new Conditional(condition, node);
export const note = (comment: string, node: Node): Noted => new Noted(comment, node);
export const each = (expression: Expression): Spread => new Spread(expression);

/** As Go templates judge: zero, empty and nothing are false. */
export function isTrue(value: Json): boolean {
  if (value === null || value === false || value === 0 || value === '') return false;
  if (Array.isArray(value)) return value.length > 0;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}

export const not = (condition: Expression): Expression =>
  new Expression((values) => !isTrue(condition.valueIn(values)), `not (${condition.pipeline})`);

export const and = (...conditions: readonly Expression[]): Expression =>
  new Expression(
    (values) => conditions.every((condition) => isTrue(condition.valueIn(values))),
    `and ${conditions.map(inParentheses).join(' ')}`,
  );

export const or = (...conditions: readonly Expression[]): Expression =>
  new Expression(
    (values) => conditions.some((condition) => isTrue(condition.valueIn(values))),
    `or ${conditions.map(inParentheses).join(' ')}`,
  );

export const equals = (expression: Expression, text: string): Expression =>
  new Expression((values) => expression.valueIn(values) === text, `eq ${inParentheses(expression)} ${literal(text)}`);

/** Neither null nor absent; an empty string is set. */
export const isSet = (expression: Expression): Expression =>
  new Expression(
    (values) => expression.valueIn(values) !== null,
    `not (kindIs "invalid" ${inParentheses(expression)})`,
  );

export const choose = (condition: Expression, then: Expression | Json, otherwise: Expression | Json): Expression => {
  const [first, second] = [asExpression(then), asExpression(otherwise)];
  return new Expression(
    (values) => (isTrue(condition.valueIn(values)) ? first : second).valueIn(values),
    `ternary ${inParentheses(first)} ${inParentheses(second)} (not (not ${inParentheses(condition)}))`,
  );
};

/** `expression`, or `fallback` where it is empty. */
export const orElse = (expression: Expression, fallback: Expression): Expression =>
  new Expression(
    (values) => (isTrue(expression.valueIn(values)) ? expression.valueIn(values) : fallback.valueIn(values)),
    `default ${inParentheses(fallback)} ${inParentheses(expression)}`,
  );

export const plus = (expression: Expression, addend: number): Expression =>
  new Expression((values) => Number(expression.valueIn(values)) + addend, `add ${inParentheses(expression)} ${addend}`);

/** A text with expressions in it. */
export function text(strings: TemplateStringsArray, ...expressions: readonly Expression[]): Expression {
  const format = strings.map((part) => part.replaceAll('%', '%%')).join('%v');
  return new Expression(
    (values) =>
      strings.reduce((before, part, index) => `${before}${String(expressions[index - 1]!.valueIn(values))}${part}`),
    `printf ${literal(format)} ${expressions.map(inParentheses).join(' ')}`,
  );
}

/** One map from two; entries of the second win. */
export const merged = (first: Expression, second: Expression): Expression =>
  new Expression(
    (values) => mergeValues(first.valueIn(values) as JsonObject, second.valueIn(values) as JsonObject),
    `mergeOverwrite (deepCopy ${inParentheses(first)}) ${inParentheses(second)}`,
  );

/** A map whose keys and values may be expressions. */
export const dict = (entries: readonly (readonly [Expression | string, Expression | Json])[]): Expression =>
  new Expression(
    (values) =>
      Object.fromEntries(
        entries.map(([key, value]) => [String(asExpression(key).valueIn(values)), asExpression(value).valueIn(values)]),
      ),
    `dict ${entries.flatMap((entry) => entry.map((part) => inParentheses(asExpression(part)))).join(' ')}`,
  );

/** As Helm merges values: maps entry by entry, all else as a whole. */
export function mergeValues(base: JsonObject, over: JsonObject): JsonObject {
  const all = Object.entries(over).map(([key, value]) => {
    const before = base[key];
    return [key, isObject(value) && isObject(before) ? mergeValues(before, value) : value] as const;
  });
  return { ...base, ...Object.fromEntries(all) };
}

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * The node as the values make it: no expression, condition or spread is left, notes are.
 * Undefined where a condition is not met.
 */
export function resolve(node: Node, values: Values): Node | undefined {
  if (node instanceof Expression) return node.valueIn(values);
  if (node instanceof OnlyInChart) return undefined;
  if (node instanceof Conditional) {
    return isTrue(node.condition.valueIn(values)) ? resolve(node.node, values) : undefined;
  }
  if (node instanceof Noted) {
    const inner = resolve(node.node, values);
    return inner === undefined ? undefined : new Noted(node.comment, inner);
  }
  if (node instanceof Spread) throw new Error('a spread stands outside of a list and of the key "..."');
  if (Array.isArray(node)) {
    return (node as readonly Node[]).flatMap((item): readonly Node[] => {
      if (item instanceof Spread) return item.expression.valueIn(values) as readonly Json[];
      const one = resolve(item, values);
      return one === undefined ? [] : [one];
    });
  }
  if (typeof node !== 'object' || node === null || node instanceof OneLine) return node;
  const entries = Object.entries(node as NodeMap).flatMap(([key, value]): [string, Node][] => {
    if (value instanceof Spread) return Object.entries(value.expression.valueIn(values) as JsonObject);
    const one = resolve(value, values);
    return one === undefined ? [] : [[key, one]];
  });
  return Object.fromEntries(entries);
}

/** Without its notes; of a resolved node. */
export function plain(node: Node): Json {
  if (node instanceof Noted) return plain(node.node);
  if (node instanceof OneLine) return node.value;
  if (Array.isArray(node)) return (node as readonly Node[]).map(plain);
  if (typeof node !== 'object' || node === null) return node;
  return Object.fromEntries(Object.entries(node as NodeMap).map(([key, value]) => [key, plain(value)]));
}

/** Texts that hold `{{` as expressions, so that Helm prints them as they are. */
export function verbatim(value: Json): Node {
  if (typeof value === 'string' && value.includes('{{')) return new Expression(() => value, JSON.stringify(value));
  if (Array.isArray(value)) return value.map(verbatim);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, verbatim(entry)]));
}

/**
 * The value with each object of nothing but plain values, and lists of them, on one line. It holds no `{{`.
 */
export function compact(value: Json): Node {
  if (Array.isArray(value)) return value.map(compact);
  if (!isObject(value)) return value;
  if (Object.values(value).every(isFlat)) return new OneLine(value);
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, compact(entry)]));
}

const isFlat = (value: Json): boolean =>
  typeof value !== 'object' || (Array.isArray(value) && value.every((item) => typeof item !== 'object'));

const inParentheses = ({ pipeline }: Expression): string =>
  /^[.$\w]+$|^"[^"]*"$/.test(pipeline) ? pipeline : `(${pipeline})`;

const asExpression = (value: Expression | Json): Expression =>
  value instanceof Expression ? value : new Expression(() => value, literal(value));

/** A JSON value as Go templates write it. */
export function literal(value: Json): string {
  if (Array.isArray(value)) return `list ${value.map((item: Json) => `(${literal(item)})`).join(' ')}`.trimEnd();
  if (isObject(value)) {
    const parts = Object.entries(value).map(([key, entry]) => `${JSON.stringify(key)} (${literal(entry)})`);
    return `dict ${parts.join(' ')}`.trimEnd();
  }
  return value === null ? 'nil' : JSON.stringify(value);
}
