// Names with a prefix: how tensors of several kinds travel in one record.

/** The items by their names behind the prefix. */
export const withPrefix = <Item>(prefix: string, items: Readonly<Record<string, Item>>): Record<string, Item> =>
  Object.fromEntries(Object.entries(items).map(([name, item]) => [`${prefix}${name}`, item]));

/** The items whose names have the prefix, by the rest of their names. */
export const withoutPrefix = <Item>(prefix: string, items: Readonly<Record<string, Item>>): Record<string, Item> =>
  Object.fromEntries(
    Object.entries(items)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, item]) => [name.slice(prefix.length), item]),
  );
