import test from 'node:test';
import { workBehindNginx } from '../../support/behind-nginx.ts';
import { withoutPrograms } from '../../support/needs.ts';

const skip = withoutPrograms(['nginx'], 'a worker and a client behind nginx');

/**
 * nginx ends what is silent for 60 s, unless told otherwise. Signs of life and heartbeats are rarer
 * than this, so that streams do break.
 */
const impatient = ['grpc_read_timeout 1s', 'grpc_send_timeout 1s', 'client_body_timeout 1s', 'keepalive_timeout 1s'];

test('behind an nginx that ends silent streams and stops for a while, jobs succeed and no event is lost', {
  skip,
}, async (t) => {
  await workBehindNginx(t, {
    grpcDirectives: impatient,
    silence: (worker) => worker.stderrSays(/(connected again[\s\S]*){2}/),
    outage: (worker) => worker.stderrSays(/nothing listens at/),
  });
});
