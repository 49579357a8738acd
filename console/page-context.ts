// What every page of the console is given.
import type { WhoAmI } from '../shared/http-api.ts';
import type { ApiFailure } from './api.ts';

export interface PageContext {
  readonly main: HTMLElement;
  /** Who looks at it. */
  readonly who: WhoAmI;
  /** In the place of the page: the coordinator says no. */
  refused(failure: ApiFailure): void;
}
