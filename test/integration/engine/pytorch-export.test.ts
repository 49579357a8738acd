// What `metatrain export --format pytorch` writes predicts in PyTorch what our engine predicts, for
// every variant of every model that has such a form: θ, and a state that was adapted from it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { installedPython } from '../../../bench/engine/peers.ts';
import { pytorchFiles, type Tensors } from '../../../client/pytorch/model.ts';
import { safetensors } from '../../../client/pytorch/safetensors.ts';
import { layoutOf } from '../../../learning/job.ts';
import { builtIn } from '../../../learning/registry.ts';
import { taskRng } from '../../../shared/rng.ts';
import { elementsOf, type ParamsLayout, viewsOf } from '../../../shared/tensor-codec.ts';
import { createEngine } from '../../../worker/engine/create.ts';
import type { Engine } from '../../../worker/engine/engine.ts';
import { openLearner } from '../../../worker/learning/learner.ts';
import { leftOutUnless } from '../../support/needs.ts';
import { jobOf } from '../../unit/learning/small-jobs.ts';

const python = installedPython();
const left = leftOutUnless(
  python !== undefined,
  'exports in PyTorch',
  'no Python with PyTorch: npm run bench -- engine makes one',
);

/** float32 through up to 13 layers, each summed in another order. */
const tolerance = 1e-5;
const queries = 6;
const support = 4;

const images = { distribution: 'omniglot', dataSet: 'small', ways: 2, shots: 2, queries: 3 };
const tasks: Readonly<Record<string, object>> = {
  mlp: { distribution: 'sinusoid', shots: support },
  conv4: images,
  resnet12: images,
};

/** Reads the folders that it is given, each with a module and inputs.json, and prints their predictions. */
const program = `
import importlib.util, json, pathlib, sys
import torch
torch.set_num_threads(1)
answers = []
for folder in map(pathlib.Path, sys.argv[1:]):
    spec = importlib.util.spec_from_file_location("model", folder / "model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.load()
    given = json.loads((folder / "inputs.json").read_text())
    as_torch = lambda values: (lambda x: x.permute(0, 3, 1, 2) if x.dim() == 4 else x)(torch.tensor(values).reshape([-1, *given["shape"]]))
    if hasattr(model, "see"):
        model.see(as_torch(given["support"]))
    with torch.no_grad():
        answers.append(model(as_torch(given["queries"])).flatten().tolist())
print(json.dumps(answers))
`;

const tensorsOf = (layout: ParamsLayout, vector: Float32Array): Tensors =>
  new Map(
    Object.entries(viewsOf(layout, vector)).map(([name, values]) => [
      name,
      { shape: layout.tensors.find((tensor) => tensor.name === name)!.shape, values },
    ]),
  );

describe('exports in PyTorch', { skip: left }, () => {
  const scratch = mkdtempSync(join(tmpdir(), 'metatrain-pytorch-'));
  let engine: Engine;
  before(async () => {
    engine = await createEngine({ engine: 'compiled', device: 'cpu' });
  });
  after(async () => {
    rmSync(scratch, { recursive: true });
    await engine.close();
  });

  for (const model of builtIn.all('model').filter(({ pytorch }) => pytorch)) {
    for (const [variant, fields] of Object.entries(model.variants)) {
      it(`${model.name} ${variant}`, async () => {
        const job = jobOf(tasks[model.name]!, { architecture: model.name, ...fields }, { name: 'maml' });
        const rng = taskRng(1, `export ${variant}`, 0);
        const layout = layoutOf(job.parameters);
        const theta = new Float32Array(job.parameterCount);
        for (const [name, view] of Object.entries(viewsOf(layout, theta))) {
          const isPositive = /\.(variance|scale)$/.test(name);
          for (let at = 0; at < view.length; at++)
            view[at] = isPositive ? rng.between(0.5, 1.5) : rng.between(-0.4, 0.4);
        }
        const size = elementsOf(job.task.input);
        const numbers = (count: number) => Float32Array.from({ length: count * size }, () => rng.between(0, 1));
        const supportTargets = new Float32Array(support * job.task.outputs);
        for (let row = 0; row < support; row++) supportTargets[row * job.task.outputs + (row % job.task.outputs)] = 1;
        const supportInputs = numbers(support);
        const inputs = numbers(queries);
        const learner = openLearner(job.spec, { registry: builtIn, engine });
        const folders: string[] = [];
        const wanted: Float32Array[] = [];
        for (const point of [0, 1]) {
          const adapted = await learner.adapt(theta, { support: { supportInputs, supportTargets }, point });
          wanted.push((await learner.predict(theta, { adapted, inputs })).outputs);
          const state = tensorsOf(adapted.layout, adapted.state);
          // θ alone at first: a module of the support set's statistics takes them itself
          const tensors = point === 0 ? tensorsOf(layout, theta) : new Map([...tensorsOf(layout, theta), ...state]);
          const { module, tensors: named } = pytorchFiles(job, tensors, 'A test.');
          const folder = join(scratch, `${model.name}-${variant.replaceAll(' ', '-')}-${point}`);
          mkdirSync(folder);
          writeFileSync(join(folder, 'model.py'), module);
          writeFileSync(join(folder, 'model.safetensors'), safetensors(named, { format: 'pt' }));
          const given = { shape: job.task.input, support: [...supportInputs], queries: [...inputs] };
          writeFileSync(join(folder, 'inputs.json'), JSON.stringify(given));
          folders.push(folder);
        }
        await learner.close();
        const printed = execFileSync(python!, ['-c', program, ...folders], { encoding: 'utf8' });
        for (const [at, outputs] of (JSON.parse(printed) as number[][]).entries()) {
          const scale = Math.max(...wanted[at]!.map(Math.abs));
          const difference = Math.max(...outputs.map((output, i) => Math.abs(output - wanted[at]![i]!))) / scale;
          assert.equal(outputs.length, wanted[at]!.length);
          assert.ok(difference < tolerance, `${at === 0 ? 'θ' : 'adapted'}: ${difference}`);
        }
      });
    }
  }
});
