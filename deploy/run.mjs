/**
 * Starts a role by its name, in this process: `node deploy/run.mjs engine`. Further arguments are passed to the role. This is the image's
 * entry point; `node deploy/run.mjs millrace …` is the command line.
 */
import { join } from 'node:path';
import { ROLES } from './roles.mjs';

const [name, ...args] = process.argv.slice(2);
const COMMAND_LINE = { script: ROLES.migrate.script, args: [] };
const role = name === 'millrace' ? COMMAND_LINE : Object.hasOwn(ROLES, name ?? '') ? ROLES[name] : null;
if (role === null) {
  const what = Object.entries(ROLES).map(([one, { what: does }]) => `  ${one.padEnd(10)} ${does}`);
  process.stderr.write(
    `${name ? `There is no role '${name.slice(0, 40)}'` : 'Name a role'}:\n${what.join('\n')}\n  millrace   the command line: millrace --help\n`,
  );
  process.exit(64);
}
const script = join(import.meta.dirname, '..', role.script);
process.argv.splice(1, Infinity, script, ...role.args, ...args);
await import(script);
