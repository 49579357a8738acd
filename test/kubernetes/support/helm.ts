// Helm in both majors, from the cache's folder of programs.
import { join } from 'node:path';
import { openCache } from '../cluster/cache.ts';
import { runCommand } from './kubectl.ts';

/**
 * Runs Helm and returns what it prints on stdout.
 *
 * @throws with stderr when it fails.
 */
export async function helm(major: 3 | 4, args: readonly string[], timeoutMs = 600_000): Promise<string> {
  const { bin } = openCache();
  const { code, stdout, stderr } = await runCommand(join(bin, `helm${major}`), args, { timeoutMs });
  if (code !== 0) throw new Error(`helm${major} ${args.join(' ')}: exit code ${code}\n${stderr}${stdout}`);
  return stdout;
}
