// The parts by kind and name: the built-in ones, and those of plugins. An addition is one file and
// one line here; the job file's schema, its errors, the docs' tables and the tests follow from it.
// A mixture is made of the registry's own distributions.
import { MetatrainError } from '../shared/errors.ts';
import type { PluginIdentity } from '../shared/plugin-identity.ts';
import { anil } from './algorithms/anil.ts';
import { boil } from './algorithms/boil.ts';
import { cavia } from './algorithms/cavia.ts';
import { fromScratch } from './algorithms/from-scratch.ts';
import { imaml } from './algorithms/imaml.ts';
import { inContext } from './algorithms/in-context.ts';
import { maml } from './algorithms/maml.ts';
import { mamlPlusPlus } from './algorithms/maml-plus-plus.ts';
import { mann } from './algorithms/mann.ts';
import { matching } from './algorithms/matching.ts';
import { metaLstm } from './algorithms/meta-lstm.ts';
import { metaSgd } from './algorithms/meta-sgd.ts';
import { nearestNeighbour } from './algorithms/nearest-neighbour.ts';
import { protonet } from './algorithms/protonet.ts';
import { recurrent } from './algorithms/recurrent.ts';
import { reptile } from './algorithms/reptile.ts';
import { zeroShotProtonet } from './algorithms/zero-shot-protonet.ts';
import { conv4 } from './models/conv4.ts';
import { embeddingBag } from './models/embedding-bag.ts';
import { lstm } from './models/lstm.ts';
import { mlp } from './models/mlp.ts';
import { resnet12 } from './models/resnet12.ts';
import { transformer } from './models/transformer.ts';
import { crossEntropy } from './objectives/cross-entropy.ts';
import { meanSquaredError } from './objectives/mean-squared-error.ts';
import { adam, adamw } from './optimizers/adam.ts';
import { sgd } from './optimizers/sgd.ts';
import { type AnyPart, type DefinedPart, type PartKind, partKinds } from './part.ts';
import { cifarFs } from './tasks/cifar-fs.ts';
import { clinc150 } from './tasks/clinc150.ts';
import { emnist } from './tasks/emnist.ts';
import { fc100 } from './tasks/fc100.ts';
import { harmonic } from './tasks/harmonic.ts';
import { imageFolder } from './tasks/image-folder.ts';
import { linear } from './tasks/linear.ts';
import { mixtureOf } from './tasks/mixture.ts';
import { omniglot } from './tasks/omniglot.ts';
import { sinusoid } from './tasks/sinusoid.ts';
import { stepFunction } from './tasks/step-function.ts';
import { textCsv } from './tasks/text-csv.ts';

export const builtInParts: readonly AnyPart[] = [
  sinusoid,
  linear,
  harmonic,
  stepFunction,
  omniglot,
  emnist,
  imageFolder,
  cifarFs,
  fc100,
  textCsv,
  clinc150,
  mlp,
  conv4,
  resnet12,
  embeddingBag,
  transformer,
  lstm,
  maml,
  imaml,
  reptile,
  anil,
  boil,
  metaSgd,
  protonet,
  zeroShotProtonet,
  matching,
  cavia,
  mamlPlusPlus,
  inContext,
  metaLstm,
  mann,
  recurrent,
  nearestNeighbour,
  fromScratch,
  meanSquaredError,
  crossEntropy,
  sgd,
  adam,
  adamw,
];

/** A user's module of parts. */
export interface Plugin extends PluginIdentity {
  /** The file that it was loaded from. */
  readonly file: string;
  readonly parts: readonly AnyPart[];
}

export class Registry {
  readonly plugins: readonly Plugin[];
  readonly #parts = new Map<string, { readonly part: AnyPart; readonly plugin?: Plugin }>();

  /** @throws MetatrainError `PLUGIN_INVALID` when two parts of a kind have the same name. */
  constructor(builtIn: readonly AnyPart[], plugins: readonly Plugin[] = []) {
    this.plugins = plugins;
    for (const part of builtIn) this.#parts.set(keyOf(part.kind, part.name), { part });
    const mixture = mixtureOf(() => this.all('distribution').filter((part) => part !== mixture));
    this.#parts.set(keyOf(mixture.kind, mixture.name), { part: mixture });
    for (const plugin of plugins) for (const part of plugin.parts) this.#add(part, plugin);
  }

  #add(part: AnyPart, plugin: Plugin): void {
    const key = keyOf(part.kind, part.name);
    const taken = this.#parts.get(key);
    if (taken) {
      const owner = taken.plugin ? `the plugin ${taken.plugin.file}` : 'a built-in part';
      throw new MetatrainError(
        'PLUGIN_INVALID',
        `cannot use the plugin ${plugin.file}: ${part.kind} "${part.name}": the name is taken by ${owner}; accepted: a name of its own`,
        { details: { file: plugin.file, kind: part.kind, name: part.name } },
      );
    }
    this.#parts.set(key, { part, plugin });
  }

  /** In order of registration. */
  all<Kind extends PartKind>(kind: Kind): readonly DefinedPart<Kind>[] {
    const found: AnyPart[] = [];
    for (const { part } of this.#parts.values()) if (part.kind === kind) found.push(part);
    return found as unknown as readonly DefinedPart<Kind>[];
  }

  /** The part; the job file's check has made sure that there is one. */
  part<Kind extends PartKind>(kind: Kind, name: string): DefinedPart<Kind> {
    const found = this.#parts.get(keyOf(kind, name));
    if (!found) throw new MetatrainError('INTERNAL', `no ${kind} "${name}" is registered`);
    return found.part as unknown as DefinedPart<Kind>;
  }

  /** The plugin that a part came with; undefined for a built-in part. */
  pluginOf(kind: PartKind, name: string): Plugin | undefined {
    return this.#parts.get(keyOf(kind, name))?.plugin;
  }

  /** Whether there is such a part. */
  has(kind: PartKind, name: string): boolean {
    return this.#parts.has(keyOf(kind, name));
  }

  /** Every part with where it came from, by kind, in order of registration. */
  list(): readonly { readonly part: AnyPart; readonly plugin?: Plugin }[] {
    const all = [...this.#parts.values()];
    return partKinds.flatMap((kind) => all.filter(({ part }) => part.kind === kind));
  }
}

const keyOf = (kind: PartKind, name: string): string => `${kind} ${name}`;

/** Without plugins. */
export const builtIn = new Registry(builtInParts);
