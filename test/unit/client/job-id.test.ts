import assert from 'node:assert/strict';
import test from 'node:test';
import { jobIdOf, jobIdsOf } from '../../../client/cli/job-id.ts';
import type { MetatrainClient } from '../../../client/metatrain-client.ts';

const clientOf = (...jobIds: readonly string[]) =>
  ({
    async *listJobs() {
      for (const jobId of jobIds) yield { jobId, name: 'waves' };
    },
  }) as unknown as MetatrainClient;

const { signal } = new AbortController();

test('the first characters of an id stand for it when they are of one job', async () => {
  const client = clientOf('0a00000000000001', '0a00000000000002', '1b00000000000003');
  assert.equal(await jobIdOf(client, '1', signal), '1b00000000000003');
  assert.deepEqual(await jobIdsOf(client, ['1b', '0a00000000000002'], signal), [
    '1b00000000000003',
    '0a00000000000002',
  ]);
  await assert.rejects(jobIdOf(client, '0a', signal), {
    code: 'REQUEST_INVALID',
    message: '2 job ids begin with 0a: 0a00000000000001 (waves), 0a00000000000002 (waves); give more characters',
  });
});

test('what begins no id, or is no beginning of one, is left to the coordinator', async () => {
  const client = clientOf('0a00000000000001');
  for (const text of ['2c', 'waves', '', '0A', '0a000000000000010'])
    assert.equal(await jobIdOf(client, text, signal), text);
});

test('a whole id is not looked up', async () => {
  const client = { listJobs: () => assert.fail('asked') } as unknown as MetatrainClient;
  assert.equal(await jobIdOf(client, '0123456789abcdef', signal), '0123456789abcdef');
});
