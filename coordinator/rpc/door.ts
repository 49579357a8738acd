// The one door of the gRPC server: every call passes it before a byte of its messages is read. Asks for the token that the access table
// wants, counts what each client has open, and ends the calls of a token that has expired or was withdrawn. Handlers learn from
// it who called, the metrics what was called. Never logs or answers with anything of a secret.
import { type Metadata, ServerInterceptingCall, type ServerInterceptor, status } from '@grpc/grpc-js';
import type { Clock } from '../../shared/clock.ts';
import type { ConnectionLimit } from '../../shared/connection-limit.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { Logger } from '../../shared/log.ts';
import type { TokenEntry } from '../../shared/tokens.ts';
import { anybody, authenticate, demandRole } from '../access/authentication.ts';
import type { Refusals } from '../access/refusals.ts';
import type { TokenBook } from '../access/token-book.ts';
import { accessTo } from './access.ts';
import type { CallMeter } from './call-meter.ts';
import { admitAs } from './caller.ts';
import { toServiceError } from './status.ts';

export interface DoorOptions {
  /** Calls that one client may have open at once. Workers' streams have a limit of their own. */
  readonly callsPerClient: number;
}

interface DoorDependencies {
  /** Undefined: everybody may do everything. */
  readonly tokens: TokenBook | undefined;
  readonly refusals: Refusals;
  readonly clock: Clock;
  readonly log: Logger;
  /** Default: nobody counts. */
  readonly meter?: CallMeter | undefined;
  /** Told of every caller that is let in. */
  readonly connections?: ConnectionLimit | undefined;
}

/** What a call says of itself before its token is looked at. */
interface Asked {
  readonly path: string;
  readonly peer: string;
}

interface OpenCall {
  readonly path: string;
  readonly entry: TokenEntry;
  end(error: MetatrainError): void;
}

const sweepEveryMs = 1_000;
const countNothing: CallMeter = () => () => {};

const workerStreams = '/metatrain.v1.WorkerService/Connect';

export class Door {
  readonly #options: DoorOptions;
  readonly #tokens: TokenBook | undefined;
  readonly #refusals: Refusals;
  readonly #log: Logger;
  readonly #meter: CallMeter;
  readonly #connections: ConnectionLimit | undefined;
  readonly #open = new Set<OpenCall>();
  readonly #callsOf = new Map<string, number>();
  readonly #stopSweeping: () => void;

  constructor(options: DoorOptions, dependencies: DoorDependencies) {
    const { tokens, refusals, clock, log, meter = countNothing, connections } = dependencies;
    this.#options = options;
    this.#connections = connections;
    this.#tokens = tokens;
    this.#refusals = refusals;
    this.#log = log;
    this.#meter = meter;
    this.#stopSweeping = tokens ? clock.every(sweepEveryMs, () => this.sweep()) : () => {};
  }

  readonly interceptor: ServerInterceptor = ({ path }, call) => {
    const count = this.#meter(path);
    let leave = () => {};
    const end = (code: status) => {
      leave();
      count(code);
    };
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, proceed) => {
            const refuse = (error: unknown) => {
              const refusal = toServiceError(error, this.#log);
              end(refusal.code);
              call.sendStatus(refusal);
            };
            try {
              leave = this.#enter({ path, peer: call.getPeer() }, metadata, refuse);
            } catch (thrown) {
              this.#refusals.report(path, call.getPeer(), thrown);
              refuse(thrown);
              return;
            }
            proceed(metadata);
          },
          onCancel: () => end(status.CANCELLED),
        }),
      sendStatus: (result, next) => {
        end(result.code ?? status.UNKNOWN);
        next(result);
      },
    });
  };

  /** @returns to be called when the call is over; may be called twice. @throws MetatrainError `UNAUTHENTICATED`, `FORBIDDEN`, `QUEUE_FULL` */
  #enter({ path, peer }: Asked, metadata: Metadata, end: (error: MetatrainError) => void): () => void {
    const access = accessTo(path);
    if (access === undefined) throw new MetatrainError('FORBIDDEN', `${path} is open to nobody`);
    if (!this.#tokens) {
      this.#connections?.trust(peer);
      admitAs(metadata, anybody);
      return () => {};
    }
    if (access === 'everybody') return () => {};
    const entry = authenticate(this.#tokens, metadata.get('authorization').map(String));
    demandRole(entry, access, path);
    this.#connections?.trust(peer);
    admitAs(metadata, { name: entry.name, roles: new Set(entry.roles) });
    return this.#count({ path, entry, end });
  }

  #count(call: OpenCall): () => void {
    const { name } = call.entry;
    const isCounted = call.path !== workerStreams;
    if (isCounted) {
      const calls = this.#callsOf.get(name) ?? 0;
      if (calls >= this.#options.callsPerClient) {
        throw new MetatrainError('QUEUE_FULL', `${name} has ${calls} calls open, the limit for one client`);
      }
      this.#callsOf.set(name, calls + 1);
    }
    this.#open.add(call);
    return () => {
      if (!this.#open.delete(call) || !isCounted) return;
      const left = (this.#callsOf.get(name) ?? 1) - 1;
      if (left > 0) this.#callsOf.set(name, left);
      else this.#callsOf.delete(name);
    };
  }

  /** Ends the open calls of tokens that no longer hold: a stream must not outlive its permission. */
  sweep(): void {
    for (const call of [...this.#open]) {
      if (!this.#tokens || this.#tokens.stillHolds(call.entry)) continue;
      const { name } = call.entry;
      this.#log.warn({ path: call.path, client: name }, 'a call ends: its token has expired or was withdrawn');
      call.end(new MetatrainError('UNAUTHENTICATED', `the token of ${name} has expired or was withdrawn`));
    }
  }

  close(): void {
    this.#stopSweeping();
  }
}
