// The console's address: the coordinator's own address, or a path of a proxy. It comes from the
// address of this module, so that no address in the page begins at the root of the host.

/** The console's first page; this module is at ROOT/assets/console/place.js. */
const root = new URL('../../', import.meta.url);

/** @param path from the console's first page, such as `/submit`. */
export const addressOf = (path: string): string => new URL(`.${path}`, root).href;

/** The page that is shown, as a path from the console's first page. */
export const shownPath = (): string => `/${location.pathname.slice(root.pathname.length)}`;
