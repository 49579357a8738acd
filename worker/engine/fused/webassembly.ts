// The few parts of WebAssembly's JavaScript interface that we use, with their types: TypeScript has
// them only among those of browsers.
import { encodeModule, FunctionBody } from './assembler.ts';

export interface Memory {
  readonly buffer: ArrayBuffer;
}

export type Call = (...addresses: number[]) => void;

interface Interface {
  readonly Memory: new (limits: { readonly initial: number; readonly maximum: number }) => Memory;
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly m: { readonly m: Memory } },
  ) => { readonly exports: Readonly<Record<string, Call>> };
  validate(bytes: Uint8Array<ArrayBuffer>): boolean;
}

const webAssembly = (globalThis as { readonly WebAssembly?: Interface }).WebAssembly;

/**
 * Whether there is WebAssembly with vector instructions here; without, nothing else of this file
 * may be called.
 */
export function hasVectorInstructions(): boolean {
  if (webAssembly === undefined) return false;
  const body = new FunctionBody(1);
  body.get(0);
  body.f32x4Const(0);
  body.store('v128', 0);
  return webAssembly.validate(encodeModule([body]));
}

const pageBytes = 65536;

/** @throws RangeError when it cannot be had. */
export function createMemory(bytes: number): Memory {
  const pages = Math.ceil(bytes / pageBytes);
  return new webAssembly!.Memory({ initial: pages, maximum: pages });
}

/** The functions by their positions. */
export function instantiate(bodies: readonly FunctionBody[], memory: Memory): Readonly<Record<string, Call>> {
  const module = new webAssembly!.Module(encodeModule(bodies));
  return new webAssembly!.Instance(module, { m: { m: memory } }).exports;
}
