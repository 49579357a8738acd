// The house's own rules, read off its sources; and sources that break each of them, which the checker must refuse.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { packageRoot } from '../../../shared/wire.ts';
import {
  asRooms,
  findCycle,
  formFaultsIn,
  importsOf,
  maxLines,
  resolveImport,
  type Source,
  violationsIn,
} from './boundaries.ts';

const productFolders = ['shared', 'learning', 'coordinator', 'worker', 'client', 'console', 'deploy/controller'];

function sourcesIn(folders: readonly string[]): Source[] {
  return folders.flatMap((folder) =>
    readdirSync(join(packageRoot, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') || name.endsWith('.mjs'))
      .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
      .filter((path) => !path.startsWith('shared/gen/'))
      .sort()
      .map((path) => ({ path, text: readFileSync(join(packageRoot, path), 'utf8') })),
  );
}

test('no source crosses a boundary of the house', () => {
  const sources = sourcesIn(productFolders);
  assert.ok(sources.length > 100, 'the sources were found');
  assert.deepEqual(sources.flatMap(violationsIn), []);
});

test('every import of ours names a file that is there', () => {
  const sources = sourcesIn(productFolders);
  const known = new Set(sources.map(({ path }) => path));
  let resolved = 0;
  for (const { path, text } of sources) {
    for (const { specifier } of importsOf(text)) {
      const target = resolveImport(path, specifier);
      if (target === undefined || target.startsWith('shared/gen/')) continue;
      assert.ok(known.has(target), `${path} imports ${target}`);
      resolved += 1;
    }
  }
  assert.ok(resolved > 400, `only ${resolved} imports were read: the reader misses some`);
});

test('no sources import each other in a ring', () => {
  assert.equal(findCycle(sourcesIn(productFolders)), undefined);
});

test('no rooms of the coordinator import each other in a ring', () => {
  assert.equal(findCycle(asRooms(sourcesIn(productFolders))), undefined);
});

test('every file opens with what it is for and stays short enough to read', () => {
  const sources = sourcesIn([...productFolders, 'bench', 'test', 'scripts']);
  assert.deepEqual(sources.flatMap(formFaultsIn), []);
});

const crossings: readonly (readonly [path: string, text: string, complaint: RegExp])[] = [
  ['shared/log.ts', "import { step } from '../coordinator/core/step.ts';", /shared imports nothing of ours/],
  ['console/api.ts', "import type { Gate } from '../coordinator/http/gate.ts';", /has no Node/],
  ['console/api.ts', "import { isLoopback } from '../shared/loopback.ts';", /has no Node/],
  ['console/api.ts', "import { readFileSync } from 'node:fs';", /whose door is/],
  ['console/api.ts', "import uPlot from 'uplot';", /whose door is/],
  ['shared/web/chart.ts', "import { readFileSync } from 'node:fs';", /whose door is/],
  ['shared/log.ts', "import type { Job } from '../client/records.ts';", /shared imports nothing of ours/],
  ['coordinator/runner/runner.ts', "import { tf } from '../../worker/engine/tf/tf.ts';", /knows no worker/],
  ['worker/session.ts', "export { step } from '../coordinator/core/step.ts';", /knows no coordinator/],
  ['client/watch.ts', "import '../coordinator/main.ts';", /the contract alone/],
  ['client/cli/run.ts', "const { main } = await import('../../worker/main.ts');", /the contract alone/],
  ['deploy/controller/main.ts', "import { readTable } from '../../client/cli/options.ts';", /uses the library/],
  ['deploy/controller/main.ts', "import { startCoordinator } from '../../coordinator/main.ts';", /uses the library/],
  ['deploy/controller/kube/leader.ts', "import type { Job } from '../../../client/records.ts';", /knows no job/],
  ['deploy/controller/decide.ts', "import { delay } from '../../shared/clock.ts';", /is pure/],
  ['worker/engine/engine.ts', "import type { Kit } from '../../learning/kit/kit.ts';", /engine knows no learning/],
  ['worker/engine/passes/rules/a.ts', "import { joinBiases } from '../onnx/biases.ts';", /rules serve both targets/],
  ['worker/engine/passes/onnx/a.ts', "import { lowerConvolutions } from '../fused/columns.ts';", /of the other/],
  ['worker/engine/passes/fused/a.ts', "import { joinBiases } from '../onnx/biases.ts';", /of the other/],
  ['learning/algorithms/maml.ts', "import { tf } from '../../worker/engine/tf/tf.ts';", /neither network nor engine/],
  ['learning/tasks/sinusoid.ts', "import { JobService } from '../../shared/wire.ts';", /neither network nor engine/],
  ['learning/models/mlp.ts', "import * as tf from '@tensorflow/tfjs';", /whose door is/],
  ['learning/tasks/omniglot.ts', "import { readFileSync } from 'node:fs';", /whose door is/],
  ['coordinator/runner.ts', "import type * as tf from '@tensorflow/tfjs';", /whose door is/],
  ['worker/learning/open.ts', "import { ComputePool } from '../compute/pool.ts';", /a network exists/],
  ['worker/learning/open.ts', "import { JobService } from '../../shared/wire.ts';", /a network exists/],
  ['worker/learning/open.ts', "import type { Job } from '../../shared/gen/metatrain/v1/Job.ts';", /a network exists/],
  ['worker/learning/open.ts', "import { realClock } from '../../shared/clock.ts';", /have no clock/],
  ['worker/compute/serve.ts', "import { Session } from '../session.ts';", /compute threads/],
  ['worker/learning/open.ts', "import { status } from '@grpc/grpc-js';", /whose door is/],
  ['coordinator/runner/runner.ts', "import {\n  Server,\n  status,\n} from '@grpc/grpc-js';", /whose door is/],
  ['client/cli/run.ts', "import { status } from '@grpc/grpc-js';", /whose door is/],
  ['learning/outer-loop/training.ts', "import * as ort from 'onnxruntime-node';", /whose door is/],
  ['coordinator/jobs/job-book.ts', "import { open } from 'lmdb';", /whose door is/],
  ['coordinator/runner/runner.ts', "import { pino } from 'pino';", /whose door is/],
  ['coordinator/runner/runner.ts', "import { Registry } from 'prom-client';", /whose door is/],
  ['coordinator/runner/runner.ts', "import { trace } from '@opentelemetry/api';", /whose door is/],
  ['coordinator/runner/runner.ts', "import { connect } from '@nats-io/transport-node';", /whose door is/],
  ['coordinator/runner/runner.ts', "import { JobRequests } from '../job-requests.ts';", /stands above it/],
  ['coordinator/runner/runner.ts', "import type { DiskWatch } from '../disk-watch.ts';", /stands above it/],
  ['coordinator/runner/runner.ts', "import { api } from '../http/api.ts';", /stands above it/],
  ['coordinator/jobs/live-job.ts', "import type { Runner } from '../runner/runner.ts';", /jobs uses core, store/],
  ['coordinator/jobs/job-book.ts', "import type { Observer } from '../observers/happenings.ts';", /and no other room/],
  ['coordinator/observers/tracing.ts', "import type { JobBook } from '../jobs/job-book.ts';", /and no other room/],
  [
    'coordinator/store/event-log.ts',
    "import type { Observer } from '../observers/happenings.ts';",
    /store uses no other room/,
  ],
  ['coordinator/access/token-book.ts', "import { Door } from '../rpc/door.ts';", /access uses no other room/],
  ['coordinator/http/gate.ts', "import { Door } from '../rpc/door.ts';", /http serves/],
  ['coordinator/jobs/job-plan.ts', "import { z } from 'zod';", /whose door is/],
  ['worker/session.ts', "import { Worker } from 'node:worker_threads';", /whose door is/],
  ['coordinator/main.ts', "import { spawn } from 'node:child_process';", /whose door is/],
  ['client/watch.ts', "import { setTimeout } from 'node:timers/promises';", /whose door is/],
  ['client/watch.ts', "import got from 'got';", /no door in this table/],
  ['coordinator/core/step.ts', "import { readFileSync } from 'node:fs';", /whose door is/],
  ['coordinator/core/step.ts', "import { realClock } from '../../shared/clock.ts';", /nothing that acts/],
  [
    'coordinator/core/step.ts',
    "import { Training } from '../../learning/outer-loop/training.ts';",
    /nothing that acts/,
  ],
  ['coordinator/core/step.ts', 'export async function step() {}', /"async"/],
  ['coordinator/core/step.ts', 'const at = new Date(event.at);', /"Date"/],
  ['coordinator/core/step.ts', 'const ready: Promise<void> = later;', /"Promise"/],
  ['coordinator/runner/runner.ts', 'const directory = process.env.METATRAIN_STATE_DIR;', /the environment/],
  ['client/watch.ts', 'const { env } = process;', /the environment/],
  ['coordinator/runner/runner.ts', 'const at = Date.now();', /real time/],
  ['coordinator/runner/runner.ts', 'const at = new Date().toISOString();', /real time/],
  ['worker/session.ts', 'setTimeout(() => retry(), 100);', /real time/],
  ['worker/session.ts', 'const now = this.#dependencies.clock.now();', /a clock that can be set/],
  ['worker/engine/compiled.ts', 'const startedAt = performance.now();', /real time/],
  ['learning/tasks/sinusoid.ts', 'const phase = Math.PI * Math.random();', /real chance/],
  ['client/cli/run-job.ts', "import { randomUUID } from 'node:crypto';", /real chance/],
  ['coordinator/runner/runner.ts', "console.log('ready');", /the console/],
];

for (const [path, text, complaint] of crossings) {
  test(`${path} may not say: ${text.replaceAll('\n', ' ')}`, () => {
    assert.match(violationsIn({ path, text }).join('\n'), complaint);
  });
}

test('what a comment says crosses no boundary, nor does a word inside another', () => {
  const text = [
    "// import { x } from '../worker/main.ts';",
    "/** Reads no process.env; Date.now() is the clock's. */",
    "const url = 'https://example.org'; // new Date()",
    'const awaited = updateDate; // async',
  ].join('\n');
  assert.deepEqual(violationsIn({ path: 'coordinator/core/step.ts', text }), []);
});

test('every form of import is read, types apart', () => {
  const text = [
    "import a from 'a';",
    "import * as b from 'b';",
    "import { c1, type c2 } from 'c';",
    "import {\n  d1,\n  d2,\n} from 'd';",
    "import type { e } from 'e';",
    "import { type f } from 'f';",
    "import 'g';",
    "export { h } from 'h';",
    "export * from 'i';",
    "export type { j } from 'j';",
    "const k = await import('k');",
    "export const from = 'not an import';",
  ].join('\n');
  assert.deepEqual(
    importsOf(text).map(({ specifier, isTypeOnly }) => `${specifier}${isTypeOnly ? ' (types)' : ''}`),
    ['a', 'b', 'c', 'd', 'e (types)', 'f (types)', 'g', 'h', 'i', 'j (types)', 'k'],
  );
});

test('a ring of imports is found, and a diamond is none', () => {
  const diamond = [
    { path: 'shared/a.ts', text: "import './b.ts';\nimport './c.ts';" },
    { path: 'shared/b.ts', text: "import './d.ts';" },
    { path: 'shared/c.ts', text: "import './d.ts';" },
    { path: 'shared/d.ts', text: '' },
  ];
  assert.equal(findCycle(diamond), undefined);
  const ring = [...diamond.slice(0, 3), { path: 'shared/d.ts', text: "import type { A } from './a.ts';" }];
  assert.equal(findCycle(ring), 'shared/a.ts → shared/b.ts → shared/d.ts → shared/a.ts');
});

test('a ring between rooms is found, also where no files form one', () => {
  const sources = [
    { path: 'coordinator/jobs/a.ts', text: "import '../store/b.ts';" },
    { path: 'coordinator/store/b.ts', text: "import './c.ts';" },
    { path: 'coordinator/store/d.ts', text: "import '../jobs/e.ts';" },
    { path: 'coordinator/runner/runner.ts', text: "import './jobs/a.ts';" },
  ];
  assert.equal(findCycle(sources), undefined);
  assert.equal(findCycle(asRooms(sources)), 'coordinator/jobs → coordinator/store → coordinator/jobs');
  assert.equal(findCycle(asRooms(sources.slice(0, 2))), undefined);
});

test('a file that is too long, or that opens without a word, is named', () => {
  const long = { path: 'shared/a.ts', text: `// A.\n${'a();\n'.repeat(maxLines)}` };
  assert.match(formFaultsIn(long).join(), /shared\/a\.ts has 501 lines; at most 500/);
  assert.match(formFaultsIn({ path: 'shared/a.ts', text: "import 'b';\n" }).join(), /does not begin by saying/);
  assert.deepEqual(formFaultsIn({ path: 'scripts/a.mjs', text: '#!/usr/bin/env node\n// A.\n' }), []);
});
