/**
 * The image's health check: asks the role that this container runs whether it is alive. The role is read from the arguments of process 1,
 * so that it has to be configured only once. A role without an HTTP port is healthy while it runs.
 */
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { get as getOverTls } from 'node:https';
import { HEALTH, ROLES } from './roles.mjs';

const TIMEOUT_MS = 4_000;

/**
 * Returns the role in the arguments of process 1: the one after `run.mjs`. Returns null when there is none with a health check.
 *
 * @param {string[]} args
 * @returns {import('./roles.mjs').RoleName | null}
 */
export function roleOf(args) {
  const at = args.findIndex((arg) => arg.endsWith('/run.mjs'));
  const name = at < 0 ? '' : (args[at + 1] ?? '');
  return Object.hasOwn(ROLES, name) ? name : null;
}

/**
 * Returns the URL of the role's health check; null when it has none. The role listens on loopback, on one address, or on all of them.
 *
 * @param {import('./roles.mjs').RoleName | null} role
 * @param {NodeJS.ProcessEnv} env
 * @returns {string | null}
 */
export function healthUrl(role, env) {
  const health = role === null ? undefined : ROLES[role].ports.health;
  if (!health) return null;
  const listens = env[health.host] || '127.0.0.1';
  const host = { '0.0.0.0': '127.0.0.1', '::': '[::1]' }[listens] ?? (listens.includes(':') ? `[${listens}]` : listens);
  const scheme = health.tls && env[health.tls] ? 'https' : 'http';
  return `${scheme}://${host}:${env[health.setting] || health.port}${HEALTH.alive}`;
}

/**
 * Returns the status of an answer, or what became of the request. A certificate is valid for a name, and this is asked at an address of this
 * machine: it is not checked.
 *
 * @param {string} url
 * @returns {Promise<number | string | undefined>}
 */
function statusOf(url) {
  const options = { signal: AbortSignal.timeout(TIMEOUT_MS), rejectUnauthorized: false };
  return new Promise((resolve) => {
    (url.startsWith('https:') ? getOverTls : get)(url, options, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    }).on('error', (/** @type {NodeJS.ErrnoException} */ error) => resolve(error.code ?? error.name));
  });
}

if (import.meta.filename === process.argv[1]) {
  const url = healthUrl(roleOf(readFileSync('/proc/1/cmdline', 'utf8').split('\0')), process.env);
  if (url !== null) {
    const status = await statusOf(url);
    process.stdout.write(`${url}: ${status}\n`);
    process.exit(status === 200 ? 0 : 1);
  }
}
