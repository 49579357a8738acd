// Values of a job file that rules in CEL call by a name, such as `$shardSize`, so that no rule says
// in full what several rules need. CEL in a CRD has no variables: a value that a rule uses once
// takes the place of its name, and one that it uses more often is bound around the rule.
import { bound } from '../../shared/job-spec/rates-cel.ts';

/** Expressions by name. One that mentions other names stands before all of them. */
export type Values = ReadonlyMap<string, string>;

const isShort = (value: string) => /^('?[\w.-]{1,16}'?)$/.test(value);
const inPlace = (value: string) => (/\s/.test(value) ? `(${value})` : value);

/** A condition with the values of all names that it mentions. */
export function withValues(condition: string, values: Values): string {
  let text = condition;
  for (const [name, value] of values) {
    const mentions = new RegExp(`\\$${name}\\b`, 'g');
    const uses = text.match(mentions)?.length ?? 0;
    if (uses === 0) continue;
    if (uses === 1 || isShort(value)) text = text.replaceAll(mentions, () => inPlace(value));
    else text = bound(name, value, text.replaceAll(mentions, name));
  }
  return text;
}

/** Names by what is equal for all of them, in order. */
export function grouped<Item extends { readonly name: string }, Value>(
  items: readonly Item[],
  of: (item: Item) => Value,
): [value: Value, names: string[]][] {
  const groups = new Map<string, [value: Value, names: string[]]>();
  for (const item of items) {
    const value = of(item);
    const key = JSON.stringify(value);
    const known = groups.get(key);
    if (known) known[1].push(item.name);
    else groups.set(key, [value, [item.name]]);
  }
  return [...groups.values()];
}

/** That an expression is one of the names. */
export const isOneOf = (expression: string, names: readonly string[]): string =>
  names.length === 1
    ? `${expression} == '${names[0]}'`
    : `${expression} in [${names.map((name) => `'${name}'`).join(', ')}]`;

/**
 * The value of the group that has the expression's name; of the last one for any other name. Values
 * that choose are in parentheses, and the result is to be put into some.
 */
export function choiceOf(expression: string, groups: readonly [value: string, names: readonly string[]][]): string {
  const [last, ...others] = groups.toReversed();
  const chosen = (value: string) => (value.includes(' ? ') ? `(${value})` : value);
  return others.reduce(
    (rest, [value, names]) => `${isOneOf(expression, names)} ? ${chosen(value)} : ${rest}`,
    last?.[0] ?? '',
  );
}
