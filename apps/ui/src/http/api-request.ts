import type { IncomingMessage } from 'node:http';
import { printable, UserError } from '@millrace/domain';
import type { FastifyRequest } from 'fastify';
import type { Caller } from '../resources/caller.js';

const PREFIX = /^\/api\/(?:v2|latest)(?:\/|$)/;

/** A request's resource path and caller. */
export interface ApiRequest {
  readonly caller: Caller;
  /** The address of the client, or of the proxy before it. */
  readonly address: string;
  /** The part after `/api/v2/`, still percent-encoded. */
  readonly path: string;
  readonly query: string;
}

/**
 * Returns the path and the query of a request, with its caller.
 * @throws UserError `invalid-path`
 */
export function apiRequest({ raw }: FastifyRequest, caller: Caller): ApiRequest {
  const url = raw.url ?? '';
  const question = url.indexOf('?');
  const fullPath = question < 0 ? url : url.slice(0, question);
  const prefix = PREFIX.exec(fullPath)?.[0];
  const path = prefix === undefined ? undefined : fullPath.slice(prefix.length);
  // `/api/v2` lists the roots, but `/api/v2/` is not a valid path.
  if (path === undefined || (path === '' && prefix!.endsWith('/'))) {
    const text = printable(fullPath.replace(/^\/api\/?/, ''), 200);
    throw new UserError('invalid-path', `Invalid path: ${text}`);
  }
  return { caller, address: addressOf(raw), path, query: question < 0 ? '' : url.slice(question + 1) };
}

/** Returns the address of a client, with that of IPv4 as it is usually written. */
export function addressOf(request: IncomingMessage): string {
  return (request.socket.remoteAddress ?? '').replace(/^::ffff:/, '');
}
