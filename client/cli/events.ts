// `metatrain events`: prints events of jobs and workers, one a line, as they happen.
import { Command } from 'commander';
import { realClock } from '../../shared/clock.ts';
import { type CommandContext, patienceOf, withClient } from './context.ts';
import { addExamples } from './help.ts';
import { jobIdOf } from './job-id.ts';
import {
  type CommonOptions,
  coordinatorOption,
  eventsJobOption,
  giveUpOption,
  jsonOption,
  type Since,
  sinceOption,
} from './options.ts';
import { renderEvent } from './render/events.ts';

interface EventsOptions extends CommonOptions {
  readonly job?: string;
  readonly since?: Since;
  readonly follow: boolean;
  readonly giveUpSeconds: number;
}

/** Without `--since`, recent events are shown as well. */
const usualLookBackMs = 600_000;

export function eventsCommand({ terminal, signal }: CommandContext): Command {
  const command = new Command('events')
    .description('follow events of jobs and workers')
    .addOption(eventsJobOption())
    .addOption(sinceOption())
    .option('--no-follow', 'print the kept events and exit')
    .addOption(giveUpOption())
    .addOption(coordinatorOption())
    .addOption(jsonOption('print each event as one line of JSON: CloudEvents 1.0, as on NATS'))
    .action((options: EventsOptions) =>
      withClient(options, async (client) => {
        const { job: id, follow: isFollowing } = options;
        const jobId = id === undefined ? undefined : await jobIdOf(client, id, signal);
        const usual: Since =
          jobId === undefined && isFollowing ? { lookBackMs: usualLookBackMs } : { afterSequence: 0 };
        const since = options.since ?? usual;
        const start =
          'lookBackMs' in since ? { since: new Date(Math.max(0, realClock.now() - since.lookBackMs)) } : since;
        const patience = patienceOf(options, terminal);
        const asked = { ...start, ...(jobId !== undefined && { jobId }), isFollowing };
        const events = client.watchEvents({ ...asked, ...patience, signal });
        for await (const event of events) {
          if (options.json) terminal.printJson(event);
          else terminal.print(renderEvent(event, terminal.style));
        }
      }),
    );
  return addExamples(command, [
    ['metatrain events --since 1h', 'events of the last hour, then new ones'],
    ['metatrain events --job ID --json', 'all events of one job, until it ends'],
    ['metatrain events --since 1042 --no-follow', 'events after event 1042'],
  ]);
}
