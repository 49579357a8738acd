// A trained model in PyTorch: its tensors by PyTorch's names and layouts, and a module in plain torch.nn
// that takes them. Pure.
import type { ResolvedJob } from '../../learning/job.ts';
import type { PytorchModel } from '../../learning/part.ts';
import { MetatrainError } from '../../shared/errors.ts';
import { elementsOf } from '../../shared/tensor-codec.ts';

export interface NamedTensor {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly values: Float32Array;
}

export type Tensors = ReadonlyMap<string, NamedTensor>;

export interface PytorchFiles {
  readonly tensors: Tensors;
  /** model.py */
  readonly module: string;
}

/**
 * @param tensors θ, or an adapted state over it, by our names.
 * @param origin where they come from, for the module's first line.
 * @throws MetatrainError `REQUEST_INVALID` where the model has no form in PyTorch, or the
 *   algorithm's parameters are not the model's.
 */
export function pytorchFiles(job: ResolvedJob, tensors: Tensors, origin: string): PytorchFiles {
  const { model, spec, task, modelParameters, running } = job;
  const written = model.pytorch?.(spec.model, task);
  if (!written) {
    throw new MetatrainError(
      'REQUEST_INVALID',
      `--format pytorch: got the model ${model.name}; accepted: a model that tells of its form in PyTorch, such as mlp, conv4 or resnet12`,
    );
  }
  const taken = new Map<string, NamedTensor>();
  let hasHead = true;
  for (const { name, shape, part } of [...modelParameters, ...running]) {
    const tensor = tensors.get(name);
    if (tensor && String(tensor.shape) === String(shape)) taken.set(name, tensor);
    else if (part === 'head' && !tensor) hasHead = false;
    else {
      const got = tensor ? `${name} as [${tensor.shape}]` : `no ${name}`;
      throw new MetatrainError(
        'REQUEST_INVALID',
        `--format pytorch: ${spec.algorithm.name} has ${got}; accepted: algorithms whose parameters are the model's`,
      );
    }
  }
  // What an adaptation has taken of the support set.
  for (const [name, tensor] of tensors) if (/\.(mean|variance)$/.test(name)) taken.set(name, tensor);
  const isSeen = [...taken.keys()].some((name) => name.endsWith('.mean'));
  return {
    tensors: new Map([...taken].map(([name, tensor]) => pytorchTensor(name, tensor))),
    module: moduleText(written, { job, hasHead, isSeen, origin }),
  };
}

const endings: Readonly<Record<string, string>> = {
  bias: '.bias',
  scale: '_norm.weight',
  shift: '_norm.bias',
  mean: '_norm.running_mean',
  variance: '_norm.running_var',
};

function pytorchTensor(name: string, tensor: NamedTensor): [string, NamedTensor] {
  const [, layer = '', ending = ''] = /^(.+)\.(\w+)$/.exec(name) ?? [];
  const module = layer.replaceAll('.', '_');
  if (ending === 'weights') return [`${module}.weight`, permuted(tensor, [1, 0])];
  if (ending === 'filters') return [`${module}.weight`, permuted(tensor, [3, 2, 0, 1])];
  return [`${module}${endings[ending] ?? `.${ending}`}`, tensor];
}

/** Axis i of the result is axis `axes[i]` of the tensor. */
function permuted({ shape, values }: NamedTensor, axes: readonly number[]): NamedTensor {
  const to = axes.map((axis) => shape[axis]!);
  const strides = shape.map((_, axis) => elementsOf(shape.slice(axis + 1)));
  const out = new Float32Array(values.length);
  const place = new Array<number>(to.length).fill(0);
  for (let at = 0; at < out.length; at++) {
    out[at] = values[place.reduce((sum, index, axis) => sum + index * strides[axes[axis]!]!, 0)]!;
    for (let axis = to.length - 1; axis >= 0; axis--) {
      place[axis]! += 1;
      if (place[axis]! < to[axis]!) break;
      place[axis] = 0;
    }
  }
  return { shape: to, values: out };
}

interface ModuleFacts {
  readonly job: ResolvedJob;
  readonly hasHead: boolean;
  /** Batch norm's statistics are among the tensors. */
  readonly isSeen: boolean;
  readonly origin: string;
}

function moduleText(
  { layers, features, head, statistics }: PytorchModel,
  { job, hasHead, isSeen, origin }: ModuleFacts,
): string {
  const { task, spec } = job;
  const [height, width, channels] = task.input;
  const input =
    task.inputKind === 'image'
      ? `[examples, ${channels}, ${height}, ${width}], from 0 to 1`
      : `[examples, ${task.input.join(', ')}]`;
  const output = !hasHead ? 'features' : task.target === 'classes' ? 'logits' : 'values';
  const indented = (lines: readonly string[]) => lines.map((line) => `        ${line}`).join('\n');
  const seesSupport = statistics === 'support' && !isSeen;
  return `"""${origin}

    from model import load
    model = load()
    model(x)  # x: ${input} -> ${output}${seesSupport ? '\n\nmodel.see(support) comes before: batch norm takes its statistics from the support set.' : ''}

Needs torch and safetensors.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn
${statistics ? normText(statistics, isSeen) : ''}

class Model(nn.Module):
    """${spec.model.architecture} of ${spec.algorithm.name}: ${job.words.model}."""

    def __init__(self):
        super().__init__()
${indented([...layers, ...(hasHead ? [`self.${head.name} = ${head.layer}`] : [])])}

    def features(self, x):
${indented(features)}

    def forward(self, x):
        return ${hasHead ? `self.${head.name}(self.features(x))` : 'self.features(x)'}
${seesSupport ? seeText : ''}

def load(file=Path(__file__).with_name("model.safetensors")):
    model = Model()
    model.load_state_dict(load_file(file)${seesSupport ? ', strict=False' : ''})
    return model.eval()
`;
}

const seeText = `
    def see(self, support):
        """Takes batch norm's statistics from a support set."""
        norms = [module for module in self.modules() if isinstance(module, Norm)]
        for norm in norms:
            norm.takes = True
        with torch.no_grad():
            self.features(support)
        for norm in norms:
            norm.takes = False
`;

const normText = (statistics: 'batch' | 'support' | 'running', isSeen: boolean): string => {
  const isOfBatch = statistics === 'batch';
  const whose = isOfBatch
    ? "the batch's own statistics, in evaluation too"
    : isSeen
      ? 'kept statistics'
      : "the support set's statistics";
  return `

class Norm(nn.Module):
    """Batch norm by ${whose}; epsilon is 0.001."""

    def __init__(self, channels, has_scale=True):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels)) if has_scale else None
        self.bias = nn.Parameter(torch.zeros(channels))
${
  isOfBatch
    ? ''
    : `        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.takes = False
`
}
    def forward(self, x):
${
  isOfBatch
    ? '        return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, 0.001)'
    : `        if self.takes:
            self.running_var, self.running_mean = torch.var_mean(x, (0, 2, 3), correction=0)
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, 0.001)`
}
`;
};
