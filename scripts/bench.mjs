// `npm run bench`: builds what has changed and measures; options are in `npm run bench -- --help`.
import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const { status } = spawnSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);
const bench = spawn(process.execPath, [join(root, 'bench/dist/main.js'), ...process.argv.slice(2)], {
  stdio: 'inherit',
});
bench.on('exit', (code, signal) => process.exit(signal ? 1 : code));
