// The speed of this machine's ONNX Runtime for a plain matrix product on one thread, as a reference
// for conv4.
import { GraphBuilder } from '../../worker/engine/graph/builder.ts';
import { lowerToOnnx } from '../../worker/engine/onnx/lower.ts';
import { createSession } from '../../worker/engine/onnx/session.ts';

/** GFLOP/s of a 1024³ product: the best within two seconds. */
export async function measureGemm(): Promise<number> {
  const size = 1024;
  const builder = new GraphBuilder();
  const input = (name: string) =>
    builder.make({ kind: 'input', source: 'task', name, shape: [size, size], dtype: 'float32' });
  const graph = { outputs: [{ name: 'product', node: builder.matmul(input('a'), input('b')) }] };
  const session = await createSession(lowerToOnnx(graph, { fusedMatMul: true, hardSigmoidStep: true }), 'cpu', {
    peakBytes: 3 * 4 * size ** 2,
  });
  const feed = { shape: [size, size], dtype: 'float32' as const, values: new Float32Array(size * size).fill(0.5) };
  let best = Number.POSITIVE_INFINITY;
  const until = performance.now() + 2000;
  while (performance.now() < until) {
    const started = performance.now();
    await session.run({ 'task.a': feed, 'task.b': feed });
    best = Math.min(best, performance.now() - started);
  }
  await session.release();
  return (2 * size ** 3) / best / 1e6;
}
