import { UserError } from '@millrace/domain';
import type { RouterOptions } from './router.js';

/** The authid and role of Millrace's own processes. */
const PRINCIPAL = 'millrace';
const ROLE = 'master';

/**
 * Options of the router process from `MILLRACE_ROUTER_HOST` (127.0.0.1), `_PORT` (8013; 0 takes any), `_REALM` (realm1) and
 * `_TICKET`. With a ticket only the authid `millrace` with that ticket may join; without, anybody who reaches the port, and then
 * it must be a loopback address.
 *
 * @throws UserError `bad-setting` naming the variable
 */
export function routerOptionsFrom(environment: Readonly<Record<string, string | undefined>>): RouterOptions {
  const host = environment['MILLRACE_ROUTER_HOST'] || '127.0.0.1';
  const port = Number(environment['MILLRACE_ROUTER_PORT'] || '8013');
  const ticket = environment['MILLRACE_ROUTER_TICKET'] || undefined;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    const value = environment['MILLRACE_ROUTER_PORT'];
    throw new UserError('bad-setting', `MILLRACE_ROUTER_PORT must be a port from 0 to 65535, not '${value}'`, {
      value,
    });
  }
  const isLoopback = host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
  if (ticket === undefined && !isLoopback) {
    throw new UserError(
      'bad-setting',
      `MILLRACE_ROUTER_HOST=${host} is not a loopback address: set MILLRACE_ROUTER_TICKET too`,
      {
        value: host,
      },
    );
  }
  return {
    host,
    port,
    realm: environment['MILLRACE_ROUTER_REALM'] || 'realm1',
    roles: { [ROLE]: { 'org.millrace.': ['publish', 'subscribe', 'call', 'register'] } },
    ...(ticket === undefined ? { anonymousRole: ROLE } : { principals: { [PRINCIPAL]: { ticket, role: ROLE } } }),
  };
}
