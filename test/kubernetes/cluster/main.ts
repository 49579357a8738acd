// A cluster to work with, which stays until it is stopped:
//   node dist/test/kubernetes/cluster/main.js up [--node] [--folder F] [--name N] [--port P] [--network N]
//   node dist/test/kubernetes/cluster/main.js image ARCHIVE… | down      (with the same --folder)
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { openCache } from './cache.ts';
import { Cluster, reopenCluster } from './cluster.ts';
import { applyForeignDefinitions } from './foreign-definitions.ts';
import { buildPrograms, controlPlanePrograms, nodePrograms } from './programs.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    node: { type: 'boolean', default: false },
    folder: { type: 'string', default: join(tmpdir(), 'metatrain-kubernetes-dev') },
    name: { type: 'string', default: 'dev' },
    port: { type: 'string', default: '16443' },
    network: { type: 'string', default: '97' },
  },
});
const [command, ...archives] = positionals;
const cache = openCache();
const folder = resolve(values.folder);
const log = (line: string) => console.error(line);

switch (command) {
  case 'up': {
    buildPrograms(cache, values.node ? [...controlPlanePrograms, ...nodePrograms] : controlPlanePrograms, log);
    const cluster = new Cluster(cache, {
      name: values.name,
      folder,
      port: Number(values.port),
      network: Number(values.network),
      hasNode: values.node,
      isTied: false,
    });
    await cluster.up(log);
    applyForeignDefinitions(cache, cluster.kubeconfig, log);
    console.log(`export KUBECONFIG=${cluster.kubeconfig} METATRAIN_KUBERNETES_BIN=${cache.bin}`);
    break;
  }
  case 'image':
    for (const archive of archives) reopenCluster(cache, folder).importImage(resolve(archive));
    break;
  case 'down':
    await reopenCluster(cache, folder).down();
    break;
  default:
    console.error(`got ${command ?? 'no command'}; accepted: up, image ARCHIVE…, down`);
    process.exitCode = 2;
}
