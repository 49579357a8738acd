// The counterpart of rates.ts in CEL. CEL has neither powers nor cosines: a power is taken by squaring, as
// `integerPower` does, and the cosine near π by its series, exact to the last bits of a double.
import { float32Bounds } from './fields.ts';

const iterations = 'double(self.meta.iterations)';
const schedule = 'self.meta.?schedule';
const scheduleName = `${schedule}.?name.orValue('constant')`;
const final = `${schedule}.?final.orValue(0.0)`;

/** `scheduleFactor` of the first step and of the last one. */
const firstFactor = `(${scheduleName} == 'cosine' ? ${final} + ((1.0 - ${final}) * 2.0) / 2.0 : 1.0)`;

/** Binds a value to a name, which CEL in a CRD has no other way to do. */
const bound = (name: string, value: string, then: string): string => `[${value}].all(${name}, ${then})`;

const isRate = (rate: string): string => `${rate} > ${float32Bounds.zero} && ${rate} < ${float32Bounds.infinity}`;

/** That the rates of the meta-optimizer and of all groups are fit with such a factor. */
const areRates = (factor: string): string =>
  `(${isRate(`self.meta.?optimizer.?learningRate.orValue(0.001) * ${factor}`)}) && ` +
  `(!has(self.meta.groups) || self.meta.groups.all(g, !has(self.meta.groups[g].learningRate) || ` +
  `(${isRate(`self.meta.groups[g].learningRate * ${factor}`)})))`;

/** base^exponent for exponents below 2³⁰, bound to `power`. */
function withPower(base: string, exponent: string, then: string): string {
  // Each step has a pair: the product so far, and the base's power of 2ⁱ.
  const bits = 30;
  let text = `[s${bits}[0]].all(power, ${then})`;
  for (let bit = bits; bit >= 1; bit--) {
    const [before, square] = [`s${bit - 1}[0]`, `s${bit - 1}[1]`];
    const isSet = `(${exponent}) / ${2 ** (bit - 1)} % 2 == 1`;
    text = `[[${isSet} ? ${before} * ${square} : ${before}, ${square} * ${square}]].all(s${bit}, ${text})`;
  }
  return `[[1.0, ${base}]].all(s0, ${text})`;
}

const accepted = 'meta.schedule: accepted: a schedule whose rates are above 0 and finite in float32';

/** sin²(x) = (1 − cos 2x) / 2 by its series, for x up to π/4. */
const sineSquared = (x2: string): string => {
  const terms = [1, -1 / 3, 2 / 45, -1 / 315, 2 / 14175, -2 / 467775, 4 / 42567525, -1 / 638512875];
  return terms.reduceRight(
    (sum, term) => (sum === '' ? `(${term})` : `(${Number.isInteger(term) ? `${term}.0` : term} + ${x2} * ${sum})`),
    '',
  );
};

/** cos(π·(T − 1)/T) = −cos(π/T), rounded where the cosine is. */
const cosine = `(${iterations} < 2.0 ? 1.0 : ${bound2()})`;
function bound2(): string {
  const half = `(${Math.PI / 2} / ${iterations})`;
  return `(-1.0 + 2.0 * ${half} * ${half} * ${sineSquared(`${half} * ${half}`)})`;
}

export const rateRules = [
  { rule: areRates(firstFactor), message: accepted },
  {
    rule: `${scheduleName} != 'linear' || ${bound('f', `1.0 - ((1.0 - ${final}) * (${iterations} - 1.0)) / ${iterations}`, areRates('f'))}`,
    message: accepted,
  },
  {
    rule: `${scheduleName} != 'cosine' || ${bound('f', `${final} + ((1.0 - ${final}) * (1.0 + ${cosine})) / 2.0`, areRates('f'))}`,
    message: accepted,
  },
  {
    rule: `${scheduleName} != 'step' || ${withPower('self.meta.schedule.factor', '(self.meta.iterations - 1) / self.meta.schedule.every', areRates('power'))}`,
    message: accepted,
  },
];
