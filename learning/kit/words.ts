// Putting words together for protocol cards, where any of them may be missing.

/** The parts that say something, with the mark between them. */
export const joined = (mark: string, ...parts: readonly (string | false | 0 | null | undefined)[]): string =>
  parts.filter((part) => part).join(mark);

type Stated = number | null | undefined;

/** The words of a task of classes: its episode, and its queries where it has some. */
export function episodeWords({
  ways,
  shots,
  queries,
  presentations,
}: Readonly<Partial<Record<'ways' | 'shots' | 'queries' | 'presentations', Stated>>>): {
  readonly episode: string;
  readonly queries: string;
} {
  const classes = ways && `${ways}-way`;
  if (presentations)
    return { episode: joined(' ', classes, `sequences of ${presentations} presentations a class`), queries: '' };
  return {
    episode: joined(' ', classes, shots === 0 ? 'zero-shot' : shots && `${shots}-shot`),
    queries: queries ? `${queries} ${queries === 1 ? 'query' : 'queries'} a class` : '',
  };
}
