// The gate of a coordinator that asks for no tokens.
import { Gate } from '../../../coordinator/http/gate.ts';
import { Refusals } from '../../../coordinator/refusals.ts';
import { realClock } from '../../../shared/clock.ts';
import { silentLogger } from '../../../shared/log.ts';

export const openGate = new Gate(undefined, new Refusals({ clock: realClock, log: silentLogger }));
