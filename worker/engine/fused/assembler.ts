// Writes WebAssembly modules: functions of 32-bit integer parameters over one imported memory, with
// the fixed-width vector instructions. It knows the binary format (WebAssembly 2.0, chapter 5) and
// nothing about what is computed.

/** Opcodes without immediates but those named below; vector instructions carry the prefix 0xfd. */
export const opcodes = {
  'i32.add': [0x6a],
  'i32.sub': [0x6b],
  'i32.eqz': [0x45],
  'f32.add': [0x92],
  'f32x4.splat': [0xfd, 0x13],
  'f32x4.extract_lane0': [0xfd, 0x1f, 0],
  'f32x4.eq': [0xfd, 0x41],
  'f32x4.lt': [0xfd, 0x43],
  'f32x4.gt': [0xfd, 0x44],
  'f32x4.le': [0xfd, 0x45],
  'f32x4.ge': [0xfd, 0x46],
  'v128.not': [0xfd, 0x4d],
  'v128.and': [0xfd, 0x4e],
  'v128.or': [0xfd, 0x50],
  'v128.bitselect': [0xfd, 0x52],
  'f32x4.abs': [0xfd, 0xe0, 0x01],
  'f32x4.neg': [0xfd, 0xe1, 0x01],
  'f32x4.sqrt': [0xfd, 0xe3, 0x01],
  'f32x4.add': [0xfd, 0xe4, 0x01],
  'f32x4.sub': [0xfd, 0xe5, 0x01],
  'f32x4.mul': [0xfd, 0xe6, 0x01],
  'f32x4.div': [0xfd, 0xe7, 0x01],
  'f32x4.min': [0xfd, 0xe8, 0x01],
  'f32x4.max': [0xfd, 0xe9, 0x01],
  'f32x4.pmin': [0xfd, 0xea, 0x01],
  'f32x4.pmax': [0xfd, 0xeb, 0x01],
} as const satisfies Record<string, readonly number[]>;

export type Opcode = keyof typeof opcodes;

const i32 = 0x7f;
const v128 = 0x7b;

/** One function's body; parameters are its first locals. */
export class FunctionBody {
  readonly bytes: number[] = [];
  readonly parameterCount: number;
  private readonly locals: number[] = [];

  constructor(parameterCount: number) {
    this.parameterCount = parameterCount;
  }

  /** A new local's number. */
  local(type: 'i32' | 'v128'): number {
    return this.parameterCount + this.locals.push(type === 'i32' ? i32 : v128) - 1;
  }

  op(code: Opcode): void {
    this.bytes.push(...opcodes[code]);
  }

  get(local: number): void {
    this.bytes.push(0x20, ...unsigned(local));
  }

  set(local: number): void {
    this.bytes.push(0x21, ...unsigned(local));
  }

  /** Forgets the value on the stack. */
  drop(): void {
    this.bytes.push(0x1a);
  }

  i32Const(value: number): void {
    this.bytes.push(0x41, ...signed(value));
  }

  /** A vector of four equal numbers. */
  f32x4Const(value: number): void {
    const bytes = [...new Uint8Array(Float32Array.of(value).buffer)];
    this.bytes.push(0xfd, 0x0c, ...bytes, ...bytes, ...bytes, ...bytes);
  }

  f32Const(value: number): void {
    this.bytes.push(0x43, ...new Uint8Array(Float32Array.of(value).buffer));
  }

  /** From the address on the stack and an offset in bytes. */
  load(kind: 'v128' | 'f32x4-splat' | 'f32', offset: number): void {
    if (kind === 'f32') this.bytes.push(0x2a, 2, ...unsigned(offset));
    else if (kind === 'v128') this.bytes.push(0xfd, 0x00, 4, ...unsigned(offset));
    else this.bytes.push(0xfd, 0x09, 2, ...unsigned(offset));
  }

  /** The value on the stack, to the address below it. */
  store(kind: 'v128' | 'f32', offset: number): void {
    if (kind === 'v128') this.bytes.push(0xfd, 0x0b, 4, ...unsigned(offset));
    else this.bytes.push(0x38, 2, ...unsigned(offset));
  }

  /** Zeros: the address is on the stack. */
  zero(byteLength: number): void {
    this.i32Const(0);
    this.i32Const(byteLength);
    this.bytes.push(0xfc, 0x0b, 0);
  }

  /** Runs `emit` this many times, at least once. */
  loop(count: number, emit: () => void): void {
    if (count === 1) {
      emit();
      return;
    }
    const left = this.local('i32');
    this.i32Const(count);
    this.set(left);
    this.bytes.push(0x03, 0x40);
    emit();
    this.get(left);
    this.i32Const(1);
    this.op('i32.sub');
    this.bytes.push(0x22, ...unsigned(left));
    this.bytes.push(0x0d, 0, 0x0b);
  }

  /** In the binary format, preceded by its length. */
  encode(): number[] {
    const declarations: number[] = [];
    let groups = 0;
    for (let i = 0; i < this.locals.length; ) {
      let end = i;
      while (this.locals[end] === this.locals[i]) end++;
      declarations.push(...unsigned(end - i), this.locals[i]!);
      groups++;
      i = end;
    }
    return sized([...unsigned(groups), ...declarations, ...this.bytes, 0x0b]);
  }
}

/** A module that imports the memory `m.m` and exports its functions by their position: `0`, `1`, … */
export function encodeModule(functions: readonly FunctionBody[]): Uint8Array<ArrayBuffer> {
  const arities = [...new Set(functions.map(({ parameterCount }) => parameterCount))];
  const types = arities.map((count) => [0x60, ...vector(Array.from({ length: count }, () => [i32])), 0]);
  const name = (text: string) => sized([...new TextEncoder().encode(text)]);
  const memory = [...name('m'), ...name('m'), 0x02, 0x00, 0];
  const sections: readonly (readonly [number, number[]])[] = [
    [1, vector(types)],
    [2, vector([memory])],
    [3, vector(functions.map(({ parameterCount }) => unsigned(arities.indexOf(parameterCount))))],
    [7, vector(functions.map((_, i) => [...name(String(i)), 0x00, ...unsigned(i)]))],
    [10, vector(functions.map((body) => body.encode()))],
  ];
  const bytes: number[] = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  for (const [id, content] of sections) append(bytes, [id, ...unsigned(content.length)], content);
  return Uint8Array.from(bytes);
}

function vector(items: readonly (readonly number[])[]): number[] {
  const bytes = unsigned(items.length);
  append(bytes, ...items);
  return bytes;
}

/** Spreading a whole module's bytes as arguments would overflow the stack. */
function append(target: number[], ...parts: readonly (readonly number[])[]): void {
  for (const part of parts) for (const byte of part) target.push(byte);
}

function sized(content: readonly number[]): number[] {
  const bytes = unsigned(content.length);
  append(bytes, content);
  return bytes;
}

/** LEB128 */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return bytes;
}

function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) {
      bytes.push(low);
      return bytes;
    }
    bytes.push(low | 0x80);
  }
}
