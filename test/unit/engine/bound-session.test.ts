// A session that is bound to memory: its results are there, and nothing of them anywhere else.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GraphBuilder } from '../../../worker/engine/graph/builder.ts';
import { loweringFor, lowerToOnnx } from '../../../worker/engine/onnx/lower.ts';
import { createSession } from '../../../worker/engine/onnx/session.ts';

describe('a bound session', () => {
  it('writes its results where it is told to, run after run, and leaves no copies to the collector', async () => {
    const shape = [512, 512];
    const builder = new GraphBuilder();
    const x = builder.make({ kind: 'input', source: 'task', name: 'x', shape, dtype: 'float32' });
    const graph = { outputs: [{ name: 'sum', node: builder.binary('add', x, x) }] };
    const session = await createSession(lowerToOnnx(graph, loweringFor('cpu')), 'cpu');
    const feed = () => ({ shape, dtype: 'float32' as const, values: new Float32Array(512 * 512) });
    const [input, output] = [feed(), feed()];
    const run = session.bind({ 'task.x': input }, { sum: output });
    await run();
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 1; i <= 32; i++) {
      input.values.fill(i);
      await run();
      assert.equal(output.values.at(-1), 2 * i);
      assert.ok(process.memoryUsage().arrayBuffers - before < output.values.byteLength, `${i} runs`);
    }
    await session.release();
  });
});
