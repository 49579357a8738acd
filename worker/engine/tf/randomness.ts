// Finds out whether a function draws random numbers. A trace would keep what was drawn as a
// constant, and every run would see the same noise. TensorFlow.js opens a scope with an operator's
// name whenever the operator is called, by any caller and under any name: `tf.dropout` is
// found within a layer too. `Math.random` is refused for as long as the function runs; the function
// is synchronous, so nothing else can call it meanwhile.
import { tf } from './tf.ts';

/** What of TensorFlow.js's engine its types keep private (tfjs-core 4.22, engine.ts). */
interface Scopes {
  readonly state: { readonly scopeStack: readonly { readonly name: string }[] };
  startScope(name?: string): void;
}

/** As tfjs-core's `op` names scopes (ops/operation.ts). */
const scopeSuffix = '__op';

/**
 * Operators that draw, whether or not they are given a seed: with one, all runs and all tasks would
 * share their noise by design.
 */
const drawing: readonly string[] = [
  'multinomial',
  'rand',
  'randomGamma',
  'randomNormal',
  'randomStandardNormal',
  'randomUniform',
  'randomUniformInt',
  'truncatedNormal',
];

/** Operators that call those above on their way, and are what a user has written. */
const composed: readonly string[] = ['dropout'];

/**
 * Runs `f`, which must be synchronous.
 * @throws what `refuse` makes of the first operator that draws a random number, such as
 * `tf.dropout` or `Math.random`.
 */
export function withoutRandomness<T>(refuse: (operator: string) => Error, f: () => T): T {
  const scopes = tf.engine() as unknown as Scopes;
  const { startScope } = scopes;
  const { random } = Math;
  scopes.startScope = (name) => {
    const operator = operatorOf(name);
    if (operator !== undefined && drawing.includes(operator)) {
      const outer = scopes.state.scopeStack.map((scope) => operatorOf(scope.name));
      const written = outer.find((called) => called !== undefined && [...drawing, ...composed].includes(called));
      throw refuse(`tf.${written ?? operator}`);
    }
    startScope.call(scopes, name);
  };
  Math.random = () => {
    throw refuse('Math.random');
  };
  try {
    return f();
  } finally {
    Math.random = random;
    scopes.startScope = startScope;
  }
}

function operatorOf(scope: string | undefined): string | undefined {
  return scope?.endsWith(scopeSuffix) ? scope.slice(0, -scopeSuffix.length) : undefined;
}
