// `npm start` on a fresh machine: installs and builds what is missing, then hands over to `millrace start`.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Millrace needs Node 20.19 or newer; this is ${process.versions.node}.`);
  process.exit(1);
}
const installed = join(root, 'node_modules', '.package-lock.json');
const isStale =
  !existsSync(installed) || statSync(installed).mtimeMs < statSync(join(root, 'package-lock.json')).mtimeMs;
if (isStale) step('Installing packages (once; about a minute)', 'npm', ['install', '--no-audit', '--no-fund']);
step('Building what has changed', 'npm', ['run', '--silent', 'build']);

const args = process.argv.slice(2);
const config = args.some((arg) => arg === '--config' || arg.startsWith('--config='))
  ? []
  : ['--config', join(root, 'examples/quickstart/master.config.ts')];
// A relative path is relative to the user's folder, not to the checkout.
const child = spawn(process.execPath, [join(root, 'apps/cli/dist/main.js'), 'start', ...config, ...args], {
  stdio: 'inherit',
  cwd: process.env.INIT_CWD ?? process.cwd(),
  env: { ...process.env, MILLRACE_DATA: process.env.MILLRACE_DATA || join(root, '.millrace') },
});
// Ctrl-C reaches the whole foreground group. This process only waits for the child to end.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => signal === 'SIGINT' || child.kill(signal));
child.on('exit', (code, signal) => process.exit(signal ? 1 : code));

function step(what, command, commandArgs) {
  console.log(`millrace  ${what} …`);
  const { status, error } = spawnSync(command, commandArgs, { cwd: root, stdio: 'inherit' });
  if (status === 0) return;
  console.error(`millrace  ${what} failed${error ? `: ${error.message}` : ''}`);
  process.exit(status ?? 1);
}
