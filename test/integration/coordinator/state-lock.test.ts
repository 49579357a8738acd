// The lock of a state directory among real processes whose owner is killed.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { TestProcess } from '../../support/processes.ts';

const rounds = 6;

test('after its owner is killed, exactly one of three contenders gets the state directory', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'metatrain-test-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const start = async () => {
    const contender = new TestProcess(t, 'test/support/lock-contender.js');
    await contender.ready();
    return contender;
  };
  const attempt = async (contender: TestProcess) => {
    contender.child.stdin?.write(`${directory}\n`);
    return { contender, ...(await contender.ready<{ isOwner: boolean; code?: string }>()) };
  };
  let contenders: TestProcess[] = await Promise.all([start(), start(), start()]);
  for (let round = 0; round < rounds; round += 1) {
    const answers = await Promise.all(contenders.map(attempt));
    const owners = answers.filter(({ isOwner }) => isOwner);
    assert.equal(owners.length, 1, `round ${round}`);
    for (const { isOwner, code } of answers) if (!isOwner) assert.equal(code, 'NOT_READY');
    const [{ contender: owner }] = owners as [(typeof owners)[0]];
    await owner.kill('SIGKILL');
    contenders = [...contenders.filter((other) => other !== owner), await start()];
  }
});
