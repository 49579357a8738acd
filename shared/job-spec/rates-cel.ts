// The counterpart of rates.ts in CEL, which has neither powers nor cosines: a power is taken by
// squaring, as `integerPower` does, and the cosine of a schedule's last step by a series.
import { float32Bounds } from './fields.ts';

const iterations = 'double(self.meta.iterations)';
const schedule = 'self.meta.?schedule';
const scheduleName = `${schedule}.?name.orValue('constant')`;
const final = `${schedule}.?final.orValue(0.0)`;

/** `scheduleFactor` of the first step and of the last one. */
const firstFactor = `(${scheduleName} == 'cosine' ? ${final} + ((1.0 - ${final}) * 2.0) / 2.0 : 1.0)`;

/** Binds a value to a name in a condition, which CEL in a CRD has no other way to do. */
export const bound = (name: string, value: string, then: string): string => `[${value}].all(${name}, ${then})`;

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
    const isSet = `n / ${2 ** (bit - 1)} % 2 == 1`;
    text = `[[${isSet} ? ${before} * ${square} : ${before}, ${square} * ${square}]].all(s${bit}, ${text})`;
  }
  return bound('n', exponent, `[[1.0, ${base}]].all(s0, ${text})`);
}

const accepted = 'meta.schedule: accepted: a schedule whose rates are above 0 and finite in float32';

/** sin²(x) / x² for x up to π/4, by its series Σ (−1)ᵏ⁺¹ · 2²ᵏ⁻¹ · x²ᵏ⁻² / (2k)!, as far as a double can tell. */
function sineSquared(square: string): string {
  const terms: number[] = [1];
  for (let k = 2; k <= 11; k += 1) terms.push((-4 * terms.at(-1)!) / ((2 * k - 1) * 2 * k));
  return terms.reduceRight((rest, term) => {
    const number = Number.isInteger(term) ? `${term}.0` : String(term);
    return rest === '' ? `(${number})` : `(${number} + ${square} * ${rest})`;
  }, '');
}

/** π/2T, half of the angle that is left to π. */
const half = `${Math.PI / 2} / ${iterations}`;

/** cos(π·(T − 1)/T) = 2·sin²(π/2T) − 1, rounded where `Math.cos` is; `h` is bound to π/2T. */
const lastCosine = `(${iterations} < 2.0 ? 1.0 : -1.0 + 2.0 * h * h * ${sineSquared('h * h')})`;

export const rateRules = [
  { rule: bound('f', firstFactor, areRates('f')), message: accepted },
  {
    rule: `${scheduleName} != 'linear' || ${bound('f', `1.0 - ((1.0 - ${final}) * (${iterations} - 1.0)) / ${iterations}`, areRates('f'))}`,
    message: accepted,
  },
  {
    rule: `${scheduleName} != 'cosine' || ${bound('h', half, bound('f', `${final} + ((1.0 - ${final}) * (1.0 + ${lastCosine})) / 2.0`, areRates('f')))}`,
    message: accepted,
  },
  {
    rule: `${scheduleName} != 'step' || ${withPower('self.meta.schedule.factor', '(self.meta.iterations - 1) / self.meta.schedule.every', areRates('power'))}`,
    message: accepted,
  },
];
