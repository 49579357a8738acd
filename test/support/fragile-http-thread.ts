// The HTTP front's thread, changed to end when it is told to answer "I'm a teapot".
import { parentPort } from 'node:worker_threads';
import type { ToFront } from '../../shared/http-front/protocol.ts';

parentPort?.on('message', (message: ToFront) => {
  if (message.kind === 'answer' && message.status === 418) process.exit(7);
});
await import('../../shared/http-front/thread.ts');
