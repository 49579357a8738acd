// Opens a task distribution of the registry by its section of a job file, as a worker does.
import type { TaskFacts } from '../../../learning/facts.ts';
import { builtIn } from '../../../learning/registry.ts';
import type { Tasks } from '../../../learning/tasks.ts';
import { type TaskIoOptions, taskIo } from '../../../worker/learning/io.ts';

export type TaskContext = TaskIoOptions;

/** @param task with its defaults left out. */
export async function openTasks(
  { distribution, ...fields }: { readonly distribution: string } & Readonly<Record<string, unknown>>,
  context: TaskContext,
): Promise<Tasks & { readonly facts: TaskFacts }> {
  const part = builtIn.part('distribution', distribution);
  const parsed = part.schema.parse(fields);
  const spec = part.complete?.(parsed) ?? parsed;
  return { ...(await part.open(spec, taskIo(context))), facts: part.facts(spec) };
}
