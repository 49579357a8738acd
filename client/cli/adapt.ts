// `metatrain adapt`, `predict` and `adapted`: a trained job's model, mapped onto a new task, and
// what it says.
import { writeFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { formatBytes, formatCount } from '../../shared/numbers.ts';
import type { AdaptedModel, ModelInputs, Predictions } from '../models.ts';
import { type CommandContext, withClient } from './context.ts';
import { addExamples } from './help.ts';
import { jobIdOf } from './job-id.ts';
import { type CommonOptions, coordinatorOption, idHelp, jsonOption, stepOption, wholeNumber } from './options.ts';
import { renderPredictions } from './render/predictions.ts';
import { table } from './render/text.ts';
import { type AnyInputs, type NamedInputs, readQueries, readSupport } from './task-files.ts';

interface AdaptFlags extends CommonOptions {
  readonly support: string;
  readonly targets?: string;
  readonly query: readonly string[];
  readonly step?: number;
  readonly innerSteps?: number;
  readonly keepSeconds?: number;
  readonly output?: string;
}

interface PredictFlags extends CommonOptions {
  readonly query: readonly string[];
  readonly output?: string;
}

const collect = (text: string, earlier: readonly string[]) => [...earlier, text];

const queryOption = () =>
  new Option(
    '--query <what>',
    'what to predict from: an image or a folder of images, a file .csv, .json or .npy, a number (or numbers with commas), or a sentence; may be repeated',
  )
    .default([], 'none')
    .argParser(collect);

const outputOption = () => new Option('--output <file>', 'write the predictions as JSON to this file');

export function adaptCommand({ terminal, signal }: CommandContext): Command {
  const command = new Command('adapt')
    .description('adapt a trained model to a new task, given a few examples, and predict')
    .argument('<id>', idHelp)
    .requiredOption(
      '--support <path>',
      "the task's examples: a folder with a folder of images for each class, or a file .csv, .json or .npy",
    )
    .option('--targets <file>', 'with --support FILE.npy: the targets, a .npy file too')
    .addOption(queryOption())
    .addOption(stepOption())
    .addOption(
      new Option(
        '--inner-steps <n>',
        "inner steps of the adaptation (default: those of the job's evaluations)",
      ).argParser(wholeNumber(0, 100_000)),
    )
    .addOption(
      new Option('--keep-seconds <n>', 'without --query: how long the adapted model is kept')
        .default(900)
        .argParser(wholeNumber(1, 86_400)),
    )
    .addOption(outputOption())
    .addOption(coordinatorOption())
    .addOption(jsonOption())
    .action((id: string, flags: AdaptFlags) => {
      const { step, innerSteps, keepSeconds } = flags;
      const support = readSupport('--support', flags.support, flags.targets);
      const choice = { signal, ...(step !== undefined && { step }), ...(innerSteps !== undefined && { innerSteps }) };
      const queries = flags.query.length > 0 ? readQueries('--query', flags.query, formOf(support.inputs)) : undefined;
      return withClient(flags, async (client) => {
        const jobId = await jobIdOf(client, id, signal);
        if (queries) {
          show(await client.models.predict({ jobId, support }, queries.inputs, choice), queries, flags, terminal);
          return;
        }
        const kept = keepSeconds === undefined ? {} : { keepSeconds };
        const [model] = await client.models.adapt(jobId, [support], { ...choice, ...kept });
        if (flags.json) terminal.printJson(rowOf(model!));
        else
          terminal.print(
            `adapted to ${examples(model!)}: ${model!.adaptedId}, kept until ${model!.expiresAt!.toLocaleTimeString()}\n` +
              `Predict with it: metatrain predict ${model!.adaptedId} --query …`,
          );
      });
    });
  return addExamples(command, [
    ['metatrain adapt JOB-ID --support points.csv --query 4', 'a regression: columns x and target'],
    ['metatrain adapt JOB-ID --support letters/ --query unknown.png', 'letters/alpha/1.png, letters/beta/1.png, …'],
    ['metatrain adapt JOB-ID --support intents.csv --query "wake me at six"', 'columns text and label'],
  ]);
}

export function predictCommand({ terminal, signal }: CommandContext): Command {
  const command = new Command('predict')
    .description('predict with an adapted model that is kept')
    .argument('<adapted-id>', 'as metatrain adapt names it')
    .addOption(queryOption().makeOptionMandatory())
    .addOption(outputOption())
    .addOption(coordinatorOption())
    .addOption(jsonOption())
    .action((adaptedId: string, flags: PredictFlags) => {
      const queries = readQueries('--query', flags.query, undefined);
      return withClient(flags, async (client) => {
        show(await client.models.predict(adaptedId, queries.inputs, { signal }), queries, flags, terminal);
      });
    });
  return addExamples(command, [['metatrain predict adapted-0123456789abcdef --query 4', '']]);
}

function show(
  predicted: Predictions,
  { names }: NamedInputs,
  { json, output }: PredictFlags,
  terminal: CommandContext['terminal'],
): void {
  if (output !== undefined) writeFileSync(output, `${JSON.stringify(predicted, null, 2)}\n`);
  if (json) terminal.printJson(predicted);
  else terminal.print(renderPredictions(predicted, names, terminal.style));
  if (output !== undefined) terminal.note(`saved ${output}`);
}

export function adaptedCommand(context: CommandContext): Command {
  return new Command('adapted')
    .description('the adapted models that are kept')
    .addCommand(listCommand(context))
    .addCommand(dropCommand(context));
}

function listCommand({ terminal, signal }: CommandContext): Command {
  return new Command('list')
    .description('list them, the newest first')
    .addOption(coordinatorOption())
    .addOption(jsonOption())
    .action((options: CommonOptions) =>
      withClient(options, async (client) => {
        const models = await client.models.list({ signal });
        if (options.json) terminal.printJson({ models: models.map(rowOf) });
        else if (models.length === 0) terminal.print('no adapted model is kept; make one with metatrain adapt');
        else {
          const columns = ['ID', 'JOB', 'STEP', 'ADAPTED TO', 'SIZE', 'UNTIL'].map((title) => ({ title }));
          const rows = models.map((model) => [
            model.adaptedId ?? '',
            model.jobId,
            formatCount(model.step),
            examples(model),
            formatBytes(model.bytes),
            model.expiresAt?.toLocaleTimeString() ?? '',
          ]);
          terminal.print(table(columns, rows, terminal.style));
        }
      }),
    );
}

function dropCommand({ terminal, signal }: CommandContext): Command {
  return new Command('drop')
    .description('forget adapted models before their time')
    .argument('<adapted-ids...>', 'as metatrain adapt names them')
    .addOption(coordinatorOption())
    .action((adaptedIds: readonly string[], options: CommonOptions) =>
      withClient(options, async (client) => {
        for (const adaptedId of adaptedIds) {
          await client.models.drop(adaptedId, { signal });
          terminal.print(`dropped ${adaptedId}`);
        }
      }),
    );
}

const formOf = (inputs: ModelInputs) => Object.keys(inputs)[0] as keyof AnyInputs;

const examples = ({ examples, classes }: AdaptedModel): string =>
  `${formatCount(examples)} ${examples === 1 ? 'example' : 'examples'}${classes.length > 0 ? ` of ${classes.join(', ')}` : ''}`;

const rowOf = ({ state: _, ...model }: AdaptedModel) => model;
