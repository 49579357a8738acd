// Which file systems a state directory may be on. A lock and a memory map hold among the processes
// of one machine. On a file system that several machines share, two coordinators could own one
// directory, and the database could be torn. Works on Linux only; on other systems nothing is
// refused.
import { readFileSync, statfsSync, statSync } from 'node:fs';
import { MetatrainError } from '../../shared/errors.ts';

/** statfs(2): `f_type` of file systems on a network or on another machine. */
const networkFileSystems: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB'],
  [0x00c36400, 'CephFS'],
  [0x01021997, '9P'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'AFS'],
  [0x73757245, 'Coda'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x19830326, 'BeeGFS'],
  [0x786f4256, 'VirtualBox shared folder'],
]);

const fuse = 0x65735546;

/**
 * FUSE file systems share one `f_type`. The table of mounts tells the remote ones by name: `fuse.`
 * and one of these.
 */
const networkFuse: ReadonlySet<string> = new Set([
  ...[
    'glusterfs',
    'ceph',
    'ceph-fuse',
    'juicefs',
    'moosefs',
    'mfs',
    'lizardfs',
    'saunafs',
    'seaweedfs',
    'beegfs',
    'orangefs',
  ],
  ...[
    's3fs',
    'goofys',
    'geesefs',
    'mountpoint-s3',
    'gcsfuse',
    'blobfuse',
    'blobfuse2',
    'ossfs',
    'cosfs',
    'rclone',
    'alluxio-fuse',
  ],
  ...['sshfs', 'davfs', 'davfs2', 'curlftpfs', 'smbnetfs', 'fuse-nfs', 'hdfs', 'fuse_dfs', 'cvmfs2'],
]);

export interface FileSystemProbe {
  /** `f_type` of the file system under the path. */
  typeOf(path: string): number;
  /** The type in the table of mounts, such as `fuse.sshfs`; undefined if unknown. */
  mountTypeOf(path: string): string | undefined;
}

/** The file system's name if several machines may share it; undefined if it is local or unknown. */
export function networkFileSystemOf(path: string, probe: FileSystemProbe = linuxProbe): string | undefined {
  // `f_type` has 32 bits, which some systems sign-extend.
  const type = probe.typeOf(path) >>> 0;
  if (type !== fuse) return networkFileSystems.get(type);
  const name = probe.mountTypeOf(path)?.replace(/^fuse\./, '');
  return name !== undefined && networkFuse.has(name) ? name : undefined;
}

/** @throws MetatrainError `REQUEST_INVALID` */
export function refuseNetworkFileSystem(path: string, probe: FileSystemProbe = linuxProbe): void {
  const name = networkFileSystemOf(path, probe);
  if (name === undefined) return;
  const message =
    `state directory ${path}: got a network file system (${name}); accepted: a disk of this machine, or a volume that one machine mounts ` +
    'at a time (on Kubernetes ReadWriteOncePod). Locks and memory maps do not hold across machines';
  throw new MetatrainError('REQUEST_INVALID', message, { details: { path, fileSystem: name } });
}

const linuxProbe: FileSystemProbe = {
  typeOf: (path) => (process.platform === 'linux' ? statfsSync(path).type : 0),
  mountTypeOf(path) {
    try {
      return mountTypeIn(readFileSync('/proc/self/mountinfo', 'utf8'), statSync(path).dev);
    } catch {
      return undefined;
    }
  },
};

/**
 * @param mountinfo see proc_pid_mountinfo(5).
 * @param device of a file on the mount.
 */
export function mountTypeIn(mountinfo: string, device: number): string | undefined {
  const { major, minor } = deviceNumbers(device);
  for (const line of mountinfo.split('\n')) {
    const [mount = '', source = ''] = line.split(' - ');
    if (mount.split(' ')[2] === `${major}:${minor}`) return source.split(' ')[0];
  }
  return undefined;
}

/** Splits a device number as makedev(3) of glibc packs it. */
function deviceNumbers(device: number): { readonly major: number; readonly minor: number } {
  const bits = BigInt(device);
  return {
    major: Number(((bits >> 8n) & 0xfffn) | ((bits >> 32n) & 0xfffff000n)),
    minor: Number((bits & 0xffn) | ((bits >> 12n) & 0xffffff00n)),
  };
}
