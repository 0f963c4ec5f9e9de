import { isLoopback, listenerRule, printable, readAllowedHosts, redactAddresses, UserError } from '@millrace/domain';
import type { RouterOptions } from './router.js';

/** The authid and role of Millrace's own processes. */
const PRINCIPAL = 'millrace';
const ROLE = 'master';
/** Shortest accepted ticket. Shorter ones can be guessed, or come from an empty file. */
const MIN_TICKET_CHARACTERS = 16;

/**
 * Reads the options of the router process: `MILLRACE_ROUTER_HOST` (127.0.0.1), `_PORT` (8013; 0 takes any), `_REALM` (realm1), `_TICKET`
 * and `_ANONYMOUS`. The accepted host names come from `MILLRACE_URL` and `MILLRACE_ALLOWED_HOSTS`. Only the authid `millrace` with the
 * ticket may join. With `_ANONYMOUS=1` and no ticket anybody who reaches the port may join, and the host must be a loopback address.
 *
 * @param machine the host name of this machine
 * @throws UserError `bad-setting` naming the variables
 */
export function routerOptionsFrom(
  environment: Readonly<Record<string, string | undefined>>,
  machine = '',
): RouterOptions {
  const problems: string[] = [];
  const host = environment['MILLRACE_ROUTER_HOST'] || '127.0.0.1';
  const port = Number(environment['MILLRACE_ROUTER_PORT'] || '8013');
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    const value = quoted(environment['MILLRACE_ROUTER_PORT']!);
    problems.push(`MILLRACE_ROUTER_PORT must be a port from 0 to 65535, not '${value}'`);
  }
  const ticket = environment['MILLRACE_ROUTER_TICKET'];
  const anonymous = environment['MILLRACE_ROUTER_ANONYMOUS'] || '0';
  if (anonymous !== '0' && anonymous !== '1')
    problems.push(`MILLRACE_ROUTER_ANONYMOUS is '${quoted(anonymous)}': expected 1 or 0`);
  if (anonymous === '1') {
    if (ticket !== undefined) problems.push('MILLRACE_ROUTER_ANONYMOUS and MILLRACE_ROUTER_TICKET exclude each other');
    if (!isLoopback(host)) {
      problems.push(
        `MILLRACE_ROUTER_HOST=${quoted(host)} is not a loopback address: set MILLRACE_ROUTER_TICKET instead of MILLRACE_ROUTER_ANONYMOUS`,
      );
    }
  } else if (ticket === undefined) {
    problems.push(
      'MILLRACE_ROUTER_TICKET is not set: masters join with it. On loopback MILLRACE_ROUTER_ANONYMOUS=1 does without',
    );
  } else if (ticket.length < MIN_TICKET_CHARACTERS) {
    problems.push(
      `MILLRACE_ROUTER_TICKET has ${ticket.length} characters: expected at least ${MIN_TICKET_CHARACTERS} random ones, such as of openssl rand -hex 32`,
    );
  }
  const publicUrl = environment['MILLRACE_URL'] || null;
  const isUrl = publicUrl === null || URL.canParse(publicUrl);
  if (!isUrl) problems.push(`MILLRACE_URL is '${quoted(publicUrl)}': expected a URL like https://ci.example.org`);
  const allowedHosts = readAllowedHosts(environment['MILLRACE_ALLOWED_HOSTS'] ?? '', problems);
  if (problems.length > 0) throw new UserError('bad-setting', problems.join('\n'), { problems: problems.join('\n') });
  return {
    host,
    port,
    realm: environment['MILLRACE_ROUTER_REALM'] || 'realm1',
    rule: listenerRule({ publicUrl, allowedHosts, machine }),
    roles: { [ROLE]: { 'org.millrace.': ['publish', 'subscribe', 'call', 'register'] } },
    ...(ticket === undefined ? { anonymousRole: ROLE } : { principals: { [PRINCIPAL]: { ticket, role: ROLE } } }),
  };
}

function quoted(value: string): string {
  return printable(redactAddresses(value.slice(0, 1000)), 100);
}
