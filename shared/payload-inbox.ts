// Receives payloads on one stream. If one payload cannot be accepted, only that payload is
// rejected: its other chunks are dropped, the stream continues, and `take` throws the reason. Only
// a chunk without a payload breaks the protocol.
import { asMetatrainError, MetatrainError } from './errors.ts';
import { PassingMap } from './passing.ts';
import {
  PayloadAssembler,
  type PayloadAssemblerLimits,
  type PayloadChunk,
  type PayloadMemory,
} from './tensor-codec.ts';
import { maxChunkBytes } from './wire.ts';

/** Number of newest refused payloads whose reason is kept. */
const keptRefusals = 64;

const hashBytes = 32;

type Chunk = {
  readonly [Field in keyof PayloadChunk]: PayloadChunk[Field] extends Buffer ? Uint8Array : PayloadChunk[Field];
};

export class PayloadInbox {
  readonly #assembler: PayloadAssembler;
  /** By name. */
  readonly #refusals = new PassingMap<string, MetatrainError>();

  constructor(limits: PayloadAssemblerLimits, memory?: PayloadMemory) {
    this.#assembler = new PayloadAssembler(limits, memory);
  }

  /**
   * @throws MetatrainError `REQUEST_INVALID` for a chunk without a hash as its name, or a chunk
   *   that is too large.
   */
  add(chunk: Chunk): void {
    const { payloadSha256, offset, data } = chunk;
    if (payloadSha256.byteLength !== hashBytes) {
      throw breach('payload_sha256', `${payloadSha256.byteLength} bytes`, `${hashBytes} bytes`);
    }
    if (data.byteLength > maxChunkBytes) throw breach('data', `${data.byteLength} bytes`, `at most ${maxChunkBytes}`);
    if (this.#refusals.size > 0) {
      const name = nameOf(payloadSha256);
      // A new first chunk means that the peer tries the payload again.
      if (offset === 0) this.#refusals.delete(name);
      else if (this.#refusals.has(name)) return;
    }
    try {
      this.#assembler.add(chunk);
    } catch (thrown) {
      this.#refuse(nameOf(payloadSha256), asMetatrainError(thrown));
    }
  }

  #refuse(name: string, reason: MetatrainError): void {
    this.#refusals.set(name, reason);
    for (const oldest of this.#refusals.keys()) {
      if (this.#refusals.size <= keptRefusals) return;
      this.#refusals.delete(oldest);
    }
  }

  /**
   * The complete payload, which the caller then owns.
   *
   * @throws MetatrainError with the reason when the payload is missing.
   */
  take(payloadSha256: Uint8Array): Buffer {
    const bytes = this.#assembler.take(payloadSha256);
    if (bytes) return bytes;
    const refusal = this.#refusals.get(nameOf(payloadSha256));
    if (refusal) throw refusal;
    throw breach('payload_sha256', 'a payload that was not sent', 'one whose chunks came before');
  }

  /** Drops the payload if it is here. */
  drop(payloadSha256: Uint8Array): void {
    this.#assembler.drop(payloadSha256);
  }

  /** Drops everything: the stream has ended. */
  close(): void {
    this.#assembler.close();
    this.#refusals.clear();
  }
}

const nameOf = (payloadSha256: Uint8Array): string => Buffer.from(payloadSha256).toString('hex');

function breach(field: string, got: string, accepted: string): MetatrainError {
  return new MetatrainError('REQUEST_INVALID', `payload: ${field}: got ${got}; accepted: ${accepted}`, {
    details: { field },
  });
}
