// The messages between the HTTP front's thread and the process. Every request has a number;
// messages for an ended request are ignored.

export interface FrontData {
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  /** PEM. With `clientCa` clients are asked for a certificate, and may have none. */
  readonly tls: { readonly cert: Uint8Array; readonly key: Uint8Array; readonly clientCa?: Uint8Array } | undefined;
  /** Of a request's body, of which no more than one byte beyond is read. */
  readonly maxBodyBytes: number;
  /** Open at once; beyond it the one that has waited longest without an open stream is closed. */
  readonly maxConnections: number;
}

export type Headers = readonly (readonly [name: string, value: string])[];

export type Piece = string | Uint8Array;

export interface Asked {
  readonly kind: 'asked';
  readonly id: number;
  readonly method: string;
  /** As it stands in the request: a path, or a URL as a proxy is asked. */
  readonly target: string;
  readonly headers: Headers;
  /** The client's address. */
  readonly peer: string;
  /** It has shown a certificate of `clientCa`. */
  readonly isAuthorized: boolean;
}

export type FromFront =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'notListening'; readonly code: string | undefined; readonly message: string }
  | Asked
  /** Asked for by `readBody`. */
  | { readonly kind: 'body'; readonly id: number; readonly bytes: Uint8Array }
  /** The piece has been read, or is on its way. */
  | { readonly kind: 'left'; readonly id: number }
  /** Nobody reads this answer any more. */
  | { readonly kind: 'gone'; readonly id: number };

export type ToFront =
  /** Once; until then nothing of it is read. */
  | { readonly kind: 'readBody'; readonly id: number }
  | {
      readonly kind: 'answer';
      readonly id: number;
      readonly status: number;
      readonly headers: Headers;
      readonly body: Piece | undefined;
    }
  /** With status 200; its pieces follow. */
  | { readonly kind: 'begin'; readonly id: number; readonly headers: Headers }
  | { readonly kind: 'piece'; readonly id: number; readonly piece: Piece }
  /** A client that does not read what there was before is not waited for. */
  | { readonly kind: 'end'; readonly id: number; readonly lastWords: string | undefined }
  | { readonly kind: 'break'; readonly id: number }
  /** Of all; the thread ends. */
  | { readonly kind: 'close'; readonly graceMs: number };
