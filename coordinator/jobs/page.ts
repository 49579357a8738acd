// One page of a list that a client reads in pages: bounded in items, and in bytes, so that it always
// fits a message.

/** Bytes of a page's items, about: a quarter of a message's limit. */
const maxPageBytes = 1_000_000;

/**
 * @param bytesOf about what the item takes in a message; one that alone exceeds the limit is a page of its own.
 * @returns the first items, and whether there are more.
 */
export function fillPage<Item>(
  items: Iterable<Item>,
  maxItems: number,
  bytesOf: (item: Item) => number,
): { readonly items: readonly Item[]; readonly hasMore: boolean } {
  const page: Item[] = [];
  let bytes = 0;
  for (const item of items) {
    bytes += bytesOf(item);
    if (page.length === maxItems || (page.length > 0 && bytes > maxPageBytes)) return { items: page, hasMore: true };
    page.push(item);
  }
  return { items: page, hasMore: false };
}
