// Predicates of job file fields in the words of OpenAPI, for those who check a job file without our
// code: the API server of Kubernetes. Written where the predicate is, so that one does not change
// without the other.

/** Keywords of an OpenAPI schema that accept the same values as a predicate. */
export type Keywords = Readonly<Record<string, unknown>>;

const known = new WeakMap<object, Keywords>();

/** @returns the predicate, which is what zod keeps of it. */
export function inKeywords<Predicate extends (value: never) => unknown>(
  predicate: Predicate,
  keywords: Keywords,
): Predicate {
  known.set(predicate, keywords);
  return predicate;
}

/** Undefined for a predicate that has none, such as one of a plugin. */
export const keywordsOf = (predicate: object): Keywords | undefined => known.get(predicate);
