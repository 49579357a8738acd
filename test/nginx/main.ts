// `npm run nginx -- [--minutes N]`: a worker and a client behind Debian's nginx with its defaults, for
// N minutes of silence (default 10) and then a job, and with the entrance gone for 60 s in the middle
// of another. The suite has the same with an impatient nginx.
import test from 'node:test';
import { parseArgs } from 'node:util';
import { delay } from '../../shared/clock.ts';
import { workBehindNginx } from '../support/behind-nginx.ts';
import { withoutPrograms } from '../support/needs.ts';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } });
const minutes = Number(values.minutes);
if (!(minutes > 0 && minutes <= 1_440)) {
  console.error(`--minutes: got ${values.minutes}; accepted: a number above 0, at most 1440`);
  process.exit(2);
}

const skip = withoutPrograms(['nginx'], 'a worker and a client behind nginx');

test(`behind nginx with its defaults: ${minutes} minutes of silence, a job, 60 s without the entrance`, {
  skip,
}, async (t) => {
  await workBehindNginx(t, {
    silence: async (worker) => {
      const before = worker.stderr.length;
      await delay(minutes * 60_000);
      const said = worker.stderr.slice(before);
      t.diagnostic(said === '' ? 'the worker kept its stream all the time' : `the worker said: ${said}`);
    },
    outage: () => delay(60_000),
  });
});
