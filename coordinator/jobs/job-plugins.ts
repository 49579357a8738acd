// The plugins of a job and those of this coordinator. A job goes on only with the bytes that it began
// with: its optimizer, its measures and its checks run here.
import { partNames, type ResolvedJob } from '../../learning/job.ts';
import type { Registry } from '../../learning/registry.ts';
import { MetatrainError } from '../../shared/errors.ts';
import type { JobSpec } from '../../shared/job-spec/index.ts';
import { describePlugin } from '../../shared/plugin-identity.ts';
import type { JobRecord } from '../store/job-record.ts';

/**
 * Of a job that has not ended.
 *
 * @throws MetatrainError `PLUGIN_DIFFERS` naming the plugin, what is missing without it, and the flag that loads it.
 */
export function refuseOtherPlugins(
  { plugins = [], spec }: Pick<JobRecord, 'plugins' | 'spec'>,
  registry: Registry,
): void {
  const missing = plugins.find(({ sha256 }) => !registry.plugins.some((plugin) => plugin.sha256 === sha256));
  if (!missing) return;
  const { name, sha256 } = missing;
  const other = registry.plugins.find((plugin) => plugin.name === name);
  const lacking = partNames(JSON.parse(spec) as JobSpec)
    .filter(([kind, part]) => !registry.has(kind, part))
    .map(([kind, part]) => `no ${kind} "${part}"`);
  const found = other
    ? `this coordinator has another version of it, ${describePlugin(other)}`
    : `this coordinator was started without it${lacking.length > 0 ? ` and has ${lacking.join(', ')}` : ''}`;
  const message = `it was begun with the plugin ${describePlugin(missing)}, and ${found}; start it with --plugin and that file`;
  throw new MetatrainError('PLUGIN_DIFFERS', message, { details: { name, sha256 } });
}

/** Whether the job's plugins are those of the record. */
export function hasSamePlugins(
  { plugins = [] }: Pick<JobRecord, 'plugins'>,
  job: Pick<ResolvedJob, 'plugins'>,
): boolean {
  const hashes = (of: typeof plugins) =>
    of
      .map(({ sha256 }) => sha256)
      .sort()
      .join();
  return hashes(plugins) === hashes(job.plugins);
}
