// What the listener of the gRPC server does when the system cannot accept a connection.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, Server, type Socket } from 'node:net';
import test from 'node:test';
import { listenOn } from '../../../../coordinator/rpc/listener.ts';

test('a connection that the system cannot accept ends neither the listener nor the process', async (t) => {
  const { listen } = Server.prototype;
  let server: Server | undefined;
  t.mock.method(Server.prototype, 'listen', function (this: Server, ...args: Parameters<typeof listen>) {
    server = this;
    return listen.apply(this, args);
  });
  const accepted: Socket[] = [];
  const listener = await listenOn('127.0.0.1', 0, (socket) => {
    accepted.push(socket);
    socket.destroy();
  });
  t.after(() => listener.close());
  for (let times = 0; times < 2; times += 1) {
    server?.emit('error', Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' }));
  }
  const client = connect(listener.port, '127.0.0.1');
  await once(client.resume(), 'close');
  assert.equal(accepted.length, 1);
});
