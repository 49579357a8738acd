// Seeds that once found a bug, with a description of it. Every test run and every `npm run
// simulate` runs them again.

export const foundSeeds: readonly { readonly seed: number; readonly workers: number; readonly found: string }[] = [];
