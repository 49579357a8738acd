// Observers subscribe to events of a process by name. Events without a subscriber are not built. A
// function for one event sees objects of one shape, which is fast: in a switch over all events, V8
// must look up each property name.

/**
 * A function for each subscribed event. Called synchronously, after the fact; must not throw or
 * wait.
 */
export type ObserverOf<Happenings> = { readonly [Name in keyof Happenings]?: (happening: Happenings[Name]) => void };

/** An observer that calls each given observer in order. */
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
