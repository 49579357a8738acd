// The gate of a coordinator that asks for no tokens.

import { Refusals } from '../../../coordinator/access/refusals.ts';
import { Gate } from '../../../coordinator/http/gate.ts';
import { realClock } from '../../../shared/clock.ts';
import { silentLogger } from '../../../shared/log.ts';

export const openGate = new Gate(undefined, new Refusals({ clock: realClock, log: silentLogger }));
