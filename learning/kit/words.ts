// Putting words together for protocol cards, where any of them may be missing.

/** The parts that say something, with the mark between them. */
export const joined = (mark: string, ...parts: readonly (string | false | 0 | null | undefined)[]): string =>
  parts.filter((part) => part).join(mark);
