// Makes the folder /app of an image: `node scripts/make-app.mjs PROGRAM FOLDER`, after a build. It
// holds the modules that the program imports, the files that it reads, and the packages that these
// modules need, in the versions of package-lock.json. sbom.cdx.json lists exactly these packages,
// and Node. Needs node_modules, npm for the list, and nothing from the network.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { filesIn, importedBy } from './imported-by.mjs';

const command = {
  modules: ['dist/client/cli/main.js', 'dist/client/index.js', 'dist/learning/index.js'],
  files: ['dist/client/report/report-bundle.js', 'shared/web/chart.css', 'client/report/report.css'],
  folders: ['examples'],
};

/** What each program is started by, and what it reads without importing it. */
const programs = {
  coordinator: {
    modules: [...command.modules, 'dist/coordinator/main.js', 'dist/console/main.js'],
    files: [...command.files, 'console/index.html', 'console/page.css', 'console/icon.svg'],
    folders: command.folders,
    packages: ['uplot'],
  },
  worker: {
    modules: [...command.modules, 'dist/worker/main.js'],
    files: command.files,
    folders: command.folders,
    packages: ['uplot'],
  },
  controller: { modules: ['dist/deploy/controller/main.js'], files: [], folders: [], packages: [] },
};
const everywhere = { files: ['LICENSE', 'NOTICE'], folders: ['proto'] };

/** Binaries of other machines, in packages that bring those of all machines. */
const ofOtherMachines = [
  /\/prebuilds\/(?!linux-x64\/|linux-arm64\/)|\/bin\/napi-v\d+\/(?!linux\/)/,
  process.arch === 'x64' ? /\/(linux[-/])arm64\// : /\/(linux[-/])x64\//,
];
/** For readers and debuggers. TypeScript needs the declarations; no image holds TypeScript. */
const notForRunning = /\.map$|\.d\.[cm]?ts$/;
/** TensorFlow.js brings each of its packages in ten forms; Node loads the one that `main` names. */
const inManyForms = /^node_modules\/@tensorflow\/tfjs(-[a-z-]+)?$/;

const [name, target] = process.argv.slice(2);
const program = Object.hasOwn(programs, name) ? programs[name] : undefined;
if (!program || !target) {
  console.error(`usage: make-app.mjs PROGRAM FOLDER; PROGRAM is one of ${Object.keys(programs).join(', ')}`);
  process.exit(2);
}
const folder = resolve(target);
if (existsSync(folder)) {
  console.error(`make-app.mjs: ${folder} exists already; give the name of a new folder`);
  process.exit(2);
}

const whole = JSON.parse(readFileSync('package.json', 'utf8'));
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'));
const code = await importedBy(program.modules);
const folders = [...program.folders, ...everywhere.folders].flatMap(filesIn);
for (const file of [...code.files, ...program.files, ...everywhere.files, ...folders]) copy(file);
const packages = [...new Set([...code.packages, ...program.packages])].sort();
const locations = closureOf(packages);
for (const location of locations) copyPackage(location);
writeJson('package.json', manifest());
writeJson('sbom.cdx.json', billOfMaterials());
for (const file of program.modules.filter((file) => file.endsWith('/cli/main.js')))
  chmodSync(join(folder, file), 0o755);
console.log(`${name}: ${code.files.length} modules, ${locations.length} packages`);

/** Places of the packages that are needed to run, such as node_modules/a/node_modules/b. */
function closureOf(names) {
  const found = new Set();
  const pending = names.map((wanted) => placeOf('', wanted) ?? missing(wanted));
  for (let location = pending.pop(); location !== undefined; location = pending.pop()) {
    if (found.has(location)) continue;
    found.add(location);
    const { dependencies = {}, optionalDependencies = {}, peerDependencies = {}, ...rest } = lock.packages[location];
    for (const wanted of Object.keys(dependencies)) {
      pending.push(placeOf(location, wanted) ?? missing(wanted));
    }
    const peers = Object.keys(peerDependencies).filter((peer) => !rest.peerDependenciesMeta?.[peer]?.optional);
    for (const wanted of [...Object.keys(optionalDependencies), ...peers]) {
      const place = placeOf(location, wanted);
      if (place !== undefined) pending.push(place);
    }
  }
  return [...found].sort();
}

/** Where Node finds a package, seen from another package. Undefined when it is not installed. */
function placeOf(from, wanted) {
  for (let base = from; ; base = base.slice(0, Math.max(0, base.lastIndexOf('/node_modules/')))) {
    const place = `${base === '' ? '' : `${base}/`}node_modules/${wanted}`;
    if (lock.packages[place] && existsSync(join(place, 'package.json'))) return place;
    if (base === '') return undefined;
  }
}

function missing(wanted) {
  throw new Error(`${wanted} is not installed as package-lock.json says: run npm ci`);
}

function copyPackage(location) {
  const { main = 'index.js' } = JSON.parse(readFileSync(join(location, 'package.json'), 'utf8'));
  const isWanted = inManyForms.test(location)
    ? (path) => path === main || /^(package\.json|LICENSE.*|NOTICE.*)$/.test(path)
    : () => true;
  for (const file of filesIn(location)) {
    const path = file.slice(location.length + 1);
    // A package inside this one has a place of its own.
    if (path.startsWith('node_modules/') || notForRunning.test(path)) continue;
    if (isWanted(path) && !ofOtherMachines.some((pattern) => pattern.test(`/${path}`))) copy(file);
  }
}

function copy(file) {
  mkdirSync(dirname(join(folder, file)), { recursive: true });
  cpSync(file, join(folder, file));
}

function writeJson(file, value) {
  writeFileSync(join(folder, file), `${JSON.stringify(value, null, 2)}\n`);
}

/** Ours, with the packages of this image alone: `npm ls` in /app finds nothing wrong. */
function manifest() {
  const { version, description, license, type, engines, bin, main, exports } = whole;
  const dependencies = Object.fromEntries(packages.map((wanted) => [wanted, whole.dependencies[wanted]]));
  const undeclared = packages.filter((wanted) => dependencies[wanted] === undefined);
  if (undeclared.length > 0) throw new Error(`${name} imports ${undeclared.join(', ')}: not in dependencies`);
  const entries = name === 'controller' ? {} : { bin, main, exports };
  return { name: whole.name, version, description, license, type, engines, ...entries, dependencies };
}

/** CycloneDX, made by npm from the part of package-lock.json that was copied. */
function billOfMaterials() {
  const { dependencies } = manifest();
  const { version, license } = whole;
  const root = { name: whole.name, version, license, dependencies };
  const own = Object.fromEntries(locations.map((location) => [location, lock.packages[location]]));
  const { lockfileVersion } = lock;
  writeJson('package-lock.json', { name: whole.name, version, lockfileVersion, packages: { '': root, ...own } });
  const args = ['sbom', '--sbom-format=cyclonedx', '--sbom-type=application', '--package-lock-only'];
  const bill = JSON.parse(
    execFileSync('npm', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }),
  );
  rmSync(join(folder, 'package-lock.json'));
  // The two things in which two lists of one image would differ.
  delete bill.serialNumber;
  delete bill.metadata.timestamp;
  const node = process.versions.node;
  bill.components.push({ type: 'platform', name: 'node', version: node, purl: `pkg:generic/node@${node}` });
  return bill;
}
