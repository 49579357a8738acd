// Who watches a process takes what it wants to hear of, by name. What nobody takes is not even put together, and who is told of one thing often
// sees objects of one shape there: a switch over all that can happen is slow, since V8 must look up the name of each.

/** A function for each of the happenings that it takes. Told synchronously, after the fact; must not throw and must not wait. */
export type ObserverOf<Happenings> = { readonly [Name in keyof Happenings]?: (happening: Happenings[Name]) => void };

/** One that tells each, in their order. */
export function everyone<Happenings extends object>(
  observers: readonly ObserverOf<Happenings>[],
): ObserverOf<Happenings> {
  const names = new Set(observers.flatMap((observer) => Object.keys(observer) as (keyof Happenings)[]));
  const together: { [Name in keyof Happenings]?: (happening: Happenings[Name]) => void } = {};
  for (const name of names) together[name] = inTurn(observers.flatMap((observer) => observer[name] ?? []));
  return together;
}

function inTurn<Happening>(told: readonly ((happening: Happening) => void)[]): (happening: Happening) => void {
  const [only, ...others] = told;
  if (only && others.length === 0) return only;
  return (happening) => {
    for (const tell of told) tell(happening);
  };
}
