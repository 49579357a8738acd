// `npm run python-protos`: writes the descriptors of proto/ that the Python package reads its
// messages from. `--check` writes nothing and exits 1 if the committed file differs.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadReflectionDefinition } from '../dist/shared/wire.js';

const file = fileURLToPath(new URL('../clients/python/src/metatrain/protos.binpb', import.meta.url));

/** proto-loader gives one file for each package, without what it imports. */
const descriptors = new Set();
for (const entry of Object.values(loadReflectionDefinition())) {
  if (!('fileDescriptorProtos' in entry)) continue;
  for (const descriptor of entry.fileDescriptorProtos) descriptors.add(descriptor.toString('latin1'));
}
const all = [...descriptors].map((text) => Buffer.from(text, 'latin1'));
const isGoogles = (descriptor) => descriptor.includes('google_protobuf.proto');
const ours = all.filter((descriptor) => !isGoogles(descriptor));
if (ours.length !== 1 || all.length !== 2) throw new Error(`expected our file and Google's, found ${all.length}`);

/** A field of bytes. */
const field = (number, content) =>
  Buffer.concat([Buffer.from([(number << 3) | 2]), varint(content.byteLength), content]);
/** `dependency`, field 3 of a FileDescriptorProto; `file`, field 1 of a FileDescriptorSet. */
const dependent = Buffer.concat([ours[0], field(3, Buffer.from('google_protobuf.proto'))]);
const bytes = Buffer.concat([field(1, all.find(isGoogles)), field(1, dependent)]);

function varint(value) {
  const out = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...out, rest]);
    out.push((rest & 0x7f) | 0x80);
  }
}

if (process.argv.includes('--check')) {
  if (existsSync(file) && readFileSync(file).equals(bytes)) process.exit(0);
  console.error(
    'the Python package has descriptors of another proto/: run npm run python-protos and commit the result',
  );
  process.exit(1);
}
writeFileSync(file, bytes);
