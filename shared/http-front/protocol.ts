// The messages between the HTTP front's thread and the process. Every request has a number;
// messages for an ended request are ignored.

export interface FrontData {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** PEM. With `clientCa` clients are asked for a certificate, but may connect without one. */
  readonly tls: { readonly cert: Uint8Array; readonly key: Uint8Array; readonly clientCa?: Uint8Array } | undefined;
  /** Of a request's body. At most one byte more is read. */
  readonly maxBodyBytes: number;
  /**
   * Open at a time. Beyond it, the connection is closed that has been idle longest without an open
   * stream.
   */
  readonly maxConnections: number;
}

export type FrontTls = NonNullable<FrontData['tls']>;

export type Headers = readonly (readonly [name: string, value: string])[];

export type Piece = string | Uint8Array;

export interface Asked {
  readonly kind: 'asked';
  readonly id: number;
  readonly method: string;
  /** As written in the request: a path, or a URL when the client takes us for a proxy. */
  readonly target: string;
  readonly headers: Headers;
  /** The client's address. */
  readonly peer: string;
  /** The client has shown a certificate of `clientCa`. */
  readonly isAuthorized: boolean;
}

export type FromFront =
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'notListening'; readonly code: string | undefined; readonly message: string }
  | Asked
  /** The answer to `readBody`. */
  | { readonly kind: 'body'; readonly id: number; readonly bytes: Uint8Array }
  /** The client has read the piece, or the piece is on its way. */
  | { readonly kind: 'left'; readonly id: number }
  /** The client has disconnected, or has the whole answer. */
  | { readonly kind: 'gone'; readonly id: number };

export type ToFront =
  /** For the connections from now on. */
  | { readonly kind: 'renewTls'; readonly tls: FrontTls }
  /** Sent at most once. Until then nothing of the body is read. */
  | { readonly kind: 'readBody'; readonly id: number; readonly maxBytes: number | undefined }
  | {
      readonly kind: 'answer';
      readonly id: number;
      readonly status: number;
      readonly headers: Headers;
      readonly body: Piece | undefined;
    }
  /** Begins an answer with status 200; pieces follow. */
  | { readonly kind: 'begin'; readonly id: number; readonly headers: Headers }
  | { readonly kind: 'piece'; readonly id: number; readonly piece: Piece }
  /** Does not wait for a client that has not read the pieces before. */
  | { readonly kind: 'end'; readonly id: number; readonly lastWords: string | undefined }
  | { readonly kind: 'break'; readonly id: number }
  /** Closes the server and ends the thread. */
  | { readonly kind: 'close'; readonly graceMs: number };
