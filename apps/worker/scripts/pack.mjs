// Packs the built worker as one file that needs nothing but Node: `millrace-worker-<version>.tgz` in the given folder (`dist` without one).
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { rolldown } from 'rolldown';

const app = resolve(import.meta.dirname, '..');
const root = resolve(app, '../..');
const destination = resolve(process.argv[2] ?? join(app, 'dist'));
const { version } = JSON.parse(readFileSync(join(app, 'package.json'), 'utf8'));
const { engines, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** Returns the folders of packages whose code is in the bundle. */
function packagesOf(modules) {
  const folders = modules.flatMap((path) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0] ?? []);
  return [...new Set(folders)].sort();
}

/** Returns the licences of bundled packages, which have to be distributed with their code. */
function noticesOf(folders) {
  const notices = folders.map((folder) => {
    const { name, version: its, license: theirs } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file === undefined ? theirs : readFileSync(join(folder, file), 'utf8').trim();
    return `${name} ${its} (${theirs})\n\n${text}\n`;
  });
  return `The worker contains these packages.\n\n${notices.join(`\n${'-'.repeat(80)}\n\n`)}`;
}

const folder = mkdtempSync(join(tmpdir(), 'millrace-pack-'));
try {
  const input = join(app, 'dist/main.js');
  if (!existsSync(input)) throw new Error(`build the worker first: there is no ${input}`);
  // Native helpers of `ws`, which works without them.
  const external = ['bufferutil', 'utf-8-validate'];
  const bundle = await rolldown({ input, platform: 'node', external });
  const file = join(folder, 'millrace-worker.js');
  const { output } = await bundle.write({ file, format: 'esm', codeSplitting: false });
  await bundle.close();
  chmodSync(file, 0o755);
  const modules = output.flatMap((chunk) => (chunk.type === 'chunk' ? Object.keys(chunk.modules) : []));
  writeFileSync(join(folder, 'THIRD-PARTY-LICENSES'), noticesOf(packagesOf(modules)));
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  copyFileSync(join(app, 'README.md'), join(folder, 'README.md'));
  const description = 'Runs the commands of builds for a Millrace engine';
  const bin = { 'millrace-worker': 'millrace-worker.js' };
  const manifest = { name: 'millrace-worker', version, description, license, type: 'module', bin, engines };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  mkdirSync(destination, { recursive: true });
  const packed = spawnSync('npm', ['pack', '--silent', '--pack-destination', destination], {
    cwd: folder,
    encoding: 'utf8',
  });
  if (packed.status !== 0) throw new Error(`npm pack failed: ${packed.stderr}`);
  console.log(join(destination, packed.stdout.trim()));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
