// The core's main stories, event by event, as text in test/golden/core-*.txt. A change of a
// decision shows there as a change of a line: read the difference before you commit it
// (METATRAIN_UPDATE_GOLDEN=1 writes the files).
import test from 'node:test';
import { assertGolden } from '../../../support/golden.ts';
import { Transcript } from './transcript.ts';

const evaluation = { every: 2, tasks: 3, shardSize: 2 };

const stories: Readonly<Record<string, () => Transcript>> = {
  'two-workers'() {
    const story = new Transcript('A job from its submission to its success, on two workers');
    story.submit({ iterations: 2, evaluation: { every: 0, tasks: 4, shardSize: 2 } });
    story.connect('ann');
    story.connect('bob');
    story.say('One shard makes the first meta-parameters; then both workers compute.');
    story.results(3);
    story.say(
      'The last evaluation is computed while the final checkpoint is being written: the job ends when both are there.',
    );
    story.results();
    story.checkpointWritten(2);
    return story;
  },

  'stream-closed'() {
    const story = new Transcript('A worker is lost: its stream closes');
    story.submit({ iterations: 2 });
    story.connect('ann');
    story.results();
    story.connect('bob');
    story.say('Bob dies. Its shard goes back at once, and to the first slot that is free.');
    story.disconnect('bob');
    story.result('ann', 's-2');
    story.say('Bob comes again, with a new stream, and gets the next free shard.');
    story.connect('bob');
    story.result('ann', 's-4');
    story.say('What Bob sends for its old lease counts for nothing.');
    story.result('bob', 's-3');
    return story;
  },

  'missed-heartbeats'() {
    const story = new Transcript('A worker falls silent and misses three heartbeats', { duplicateFloorMs: 60_000 });
    story.submit();
    story.connect('ann');
    story.results();
    story.connect('bob');
    story.say('From here on nothing comes from Bob, although its stream stays open.');
    story.silent.add('bob');
    story.wait(2);
    story.result('ann', 's-2');
    story.wait(5);
    story.result('ann', 's-4');
    story.say('Bob was only slow: it connects again, and its result is late.');
    story.silent.delete('bob');
    story.connect('bob');
    story.result('bob', 's-3');
    return story;
  },

  deadline() {
    const options = { leaseFirstMs: 10_000, leaseFloorMs: 10_000 };
    const story = new Transcript('A lease outlives its deadline, although its worker sends heartbeats', options);
    story.submit({ shardSize: 4 });
    story.connect('ann');
    story.results();
    story.say('Nobody else is there: Ann gets the shard again, with twice the time.');
    story.wait(10);
    story.say('Bob is free and has not failed at the shard: it comes first.');
    story.connect('bob');
    story.wait(20);
    story.say('What Ann sends now is late.');
    story.result('ann', 's-3');
    story.result('bob', 's-4');
    return story;
  },

  'slow-tail'() {
    const story = new Transcript('The slow tail is computed twice, and the first result counts');
    story.submit({ iterations: 2 });
    story.connect('ann');
    story.connect('bob');
    story.results(2);
    story.say('A shard takes one or two seconds. Bob is done with its own; Ann takes longer than twice that.');
    story.result('bob', 's-4');
    story.wait(4);
    story.say('Bob is first, and Ann is told to stop; its result was on its way.');
    story.result('bob', 's-6');
    story.result('ann', 's-5');
    return story;
  },

  'failing-shard'() {
    const story = new Transcript('A shard that fails on three workers fails its job, with their messages');
    story.submit();
    story.connect('ann');
    story.results();
    story.connect('bob');
    story.connect('cal');
    story.fail('ann', 's-2', 'the data set has no class 7');
    story.result('bob', 's-3');
    story.fail('cal', 's-4', 'class 7: not found');
    story.fail('bob', 's-5', 'no class 7');
    return story;
  },

  'not-finite'() {
    const story = new Transcript('A task gives a meta-gradient that is not finite');
    story.say('One job leaves such tasks out of the sum.');
    story.submit({ jobId: 'skips', onNonFinite: 'skip' });
    story.connect('ann');
    story.results();
    story.result('ann', 's-2', { nonFiniteTasks: [1] });
    story.result('ann', 's-3');
    story.results(2);
    story.checkpointWritten(1, 'skips');
    story.say('Another one, as is the default, fails.');
    story.submit({ jobId: 'fails' });
    story.results();
    const [lease] = story.state.leases.keys();
    story.result('ann', lease ?? '', { nonFiniteTasks: [0, 1] });
    return story;
  },

  schedule() {
    const story = new Transcript('Evaluations and checkpoints on schedule', { recoveryCheckpointMs: 20_000 });
    story.submit({ iterations: 5, shardSize: 4, evaluation, checkpointEvery: 2 });
    story.connect('ann', { slots: 2 });
    story.results(3);
    story.say('The checkpoint of a step is begun before its evaluation, and written while that is computed.');
    story.checkpointWritten(2);
    story.results(2);
    story.say(
      'Now a shard takes long: 20 s after the last checkpoint the coordinator writes one for its own recovery.',
    );
    story.wait(20);
    story.checkpointWritten(3);
    story.results(2);
    story.checkpointWritten(4);
    story.say('The last meta-step, then the final checkpoint and the final evaluation.');
    story.results(2);
    story.checkpointWritten(5);
    return story;
  },

  'pause-and-resume'() {
    const story = new Transcript('A job is paused, and resumed');
    story.submit({ iterations: 2 });
    story.connect('ann');
    story.results();
    story.say('The shard in flight counts; no other one is leased.');
    story.request('jobPauseRequested');
    story.request('jobPauseRequested');
    story.result('ann', 's-2');
    story.wait(30);
    story.request('jobResumeRequested');
    story.say('Only a paused job can be resumed.');
    story.request('jobResumeRequested');
    story.results(1);
    return story;
  },

  cancel() {
    const story = new Transcript('A job is cancelled, and the next one gets its slots', { maxRunningJobs: 1 });
    story.submit();
    story.submit({ jobId: 'next' });
    story.connect('ann', { slots: 2 });
    story.results();
    story.request('jobCancelRequested');
    story.say('A result that was on its way, and a second cancellation.');
    story.result('ann', 's-2');
    story.request('jobCancelRequested');
    return story;
  },

  restart() {
    const story = new Transcript('The coordinator restarts and takes its jobs up again');
    const leftOut = ['the checkpoint after 4 meta-steps is corrupt'];
    story.say(
      'The newest checkpoint cannot be read, so the one before it serves. Another job was paused, and stays so.',
    );
    story.restore({ iterations: 6, evaluation, checkpointEvery: 2 }, { step: 2, evaluatedSteps: [2, 4], leftOut });
    story.restore({ jobId: 'other' }, { hasParams: false, hasStarted: false, isPaused: true, fingerprint: undefined });
    story.say('The job keeps to its fingerprint. Workers come back; Bob has its result still, and needs no time.');
    story.connect('odd', { fingerprint: 'g' });
    story.connect('ann');
    story.connect('bob');
    story.result('bob', 's-2', { isPresentedAgain: true });
    story.say('A result for a lease that the coordinator granted before the restart.');
    story.result('ann', 'r-77');
    story.say('What was applied before the restart is applied again; its evaluation is not repeated.');
    story.results(3);
    return story;
  },

  'held-results'() {
    const story = new Transcript('A worker still holds a result from before the restart, and its shard goes to it');
    story.say('The coordinator had no checkpoint yet, so the job begins again. Ann makes the first meta-parameters.');
    story.restore({}, { hasParams: false });
    story.connect('ann');
    story.connect('bob');
    story.connect('cal');
    story.offer('cal', [{ jobId: 'j', work: 'train', step: 0, shard: 0 }]);
    story.say('Bob has been idle for longest, but Cal has the result of shard 0 and answers at once.');
    story.results();
    story.result('cal', 's-2', { isPresentedAgain: true });
    return story;
  },

  async() {
    const story = new Transcript('Asynchronous updates: a meta-batch is begun before the one before it is applied');
    story.submit({ iterations: 4, maxStaleness: 1 });
    story.connect('ann', { slots: 2 });
    story.results();
    story.connect('bob', { slots: 2 });
    story.say('Meta-step 1 is complete before meta-step 0. It waits, since meta-steps are applied in their order.');
    story.result('bob', 's-4');
    story.result('bob', 's-5');
    story.say('With the last shard of meta-step 0 both are applied, and the next two are begun.');
    story.result('ann', 's-2');
    story.result('ann', 's-3');
    return story;
  },

  quarantine() {
    const story = new Transcript('A worker whose results are rejected is quarantined, and proves itself');
    const message = 'the payload has another hash than its name';
    story.submit({ iterations: 2, batchSize: 8 });
    story.connect('ann');
    story.results();
    story.connect('bad', { slots: 3 });
    for (const leaseId of ['s-3', 's-4', 's-5']) story.fail('bad', leaseId, message, true);
    story.say('Ann computes the rest of the meta-step alone.');
    story.results(4);
    story.say(
      'After the cool-down the other worker is on probation: one shard at a time, until a result of its counts.',
    );
    story.wait(8);
    story.result('bad', 's-10');
    return story;
  },

  request() {
    const story = new Transcript('Requests: work without a job, beside a job that trains', {
      duplicateFloorMs: 60_000,
    });
    story.submit({ iterations: 2, batchSize: 8 });
    story.connect('ann');
    story.connect('bob', { fingerprint: 'g' });
    story.connect('cal');
    story.results();
    story.say('The job keeps to the fingerprint of Ann and Cal. A request goes to any worker of its engine: Bob.');
    story.ask({ requestId: 'r1' });
    story.say('One slot of three is for requests before any shard. The next one waits; then it goes to Bob again.');
    story.ask({ requestId: 'r2' });
    story.result('bob', 's-4');
    story.say('Bob is lost with it: it waits no longer than until the next slot is free, before the shards that wait.');
    story.disconnect('bob');
    story.result('ann', 's-3');
    story.say('Ann cannot serve it. Cal has not tried yet: the request is kept for Cal, and Ann computes for the job.');
    story.fail('ann', 's-6', 'no memory is left');
    story.result('cal', 's-2');
    story.say('Cal cannot either. Nobody else is there, so Cal tries again.');
    story.fail('cal', 's-8', 'no memory here');
    story.say('The client that asked gives up, and Cal drops the request.');
    story.withdraw('r2');
    story.say('A request that no worker can serve fails when its client has waited long enough.');
    story.ask({ requestId: 'r3', engine: 'eager/cpu', patienceMs: 5_000 });
    story.wait(5);
    return story;
  },

  'full-disk'() {
    const story = new Transcript('The disk is full: jobs wait for room, and go on by themselves');
    story.submit({ iterations: 2 });
    story.connect('ann');
    story.results();
    story.disk({ kind: 'roomMissing', neededBytes: 4_096, reason: 'the disk of /state is full' });
    story.result('ann', 's-2');
    story.request('jobResumeRequested');
    story.disk({ kind: 'roomSeen', freeBytes: 1_024 });
    story.disk({ kind: 'roomSeen', freeBytes: 8_192 });
    return story;
  },
};

for (const [name, tell] of Object.entries(stories)) {
  test(`the core's story "${name}" is told as in its transcript`, () => assertGolden(`core-${name}`, tell().text));
}
