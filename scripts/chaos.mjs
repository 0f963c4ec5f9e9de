// `npm run chaos`: kills every kind of process while commits come in. `npm run chaos -- --help` lists its options.
import { spawn } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit' });
    // Ctrl-C reaches the child as well: it stops what it started, then this process ends.
    process.on('SIGINT', () => undefined);
    child.on('exit', (code, signal) => resolve(signal ? 1 : code));
  });
}

const built = await run('npm', ['run', '--silent', 'build']);
process.exit(built === 0 ? await run('node', ['e2e/dist/chaos/main.js', ...process.argv.slice(2)]) : built);
