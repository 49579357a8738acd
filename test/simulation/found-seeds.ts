// Seeds that once found a bug, with what it was: run again by every test run and every `npm run simulate`.

export const foundSeeds: readonly { readonly seed: number; readonly workers: number; readonly found: string }[] = [];
