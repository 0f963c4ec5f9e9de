import type { RequestListener, Server } from 'node:http';
import type { Socket } from 'node:net';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply } from 'fastify';
import {
  ConnectionCap,
  httpServerOptions,
  LISTENER_LIMITS,
  type ListenerLimits,
  type ListenerRefusal,
  type ListenerRule,
  refusedBy,
  withoutPublicPath,
} from '@millrace/domain';
import type { TlsIdentity } from './tls-identity.js';
import { TlsServer } from './tls-server.js';

export interface ListenerOptions {
  readonly rule: ListenerRule;
  /** Returns the address that is meant by one, for a role with several addresses of the same. */
  readonly meaning?: (url: string) => string;
  /** Returns a role's own answer for a refused request. Null means the usual answer. */
  readonly refusedAs?: (path: string, method: string, refusal: ListenerRefusal) => RefusedAnswer | null;
  /** Whether pages of other origins, which the rule allows, may read the answers of a path. */
  readonly isShared?: (path: string) => boolean;
  /** Whether the role handles `Upgrade` requests. It then counts the upgraded sockets itself. */
  readonly upgrades?: boolean;
  /** Whether bodies stay text, for a role that has its own answer to invalid JSON. */
  readonly textBodies?: boolean;
  readonly limits?: ListenerLimits;
  /** With it the port speaks TLS and nothing else. */
  readonly tls?: TlsIdentity | null;
  /** How long browsers that have been here insist on https; 0: they are not told to. */
  readonly hstsSeconds?: number;
  /** Adds plugins that see every route: none has been added yet. */
  readonly extend?: (http: FastifyInstance) => void;
}

export interface RefusedAnswer {
  readonly status: number;
  readonly body: object;
}

/**
 * Makes Nest's HTTP server with the limits that every listener of a master has (`LISTENER_LIMITS`). Host names and origins are checked
 * before anything else of a request is read.
 */
export function httpAdapter({
  rule,
  meaning = (url) => url,
  refusedAs,
  isShared = () => false,
  upgrades = false,
  textBodies = false,
  limits = LISTENER_LIMITS,
  tls = null,
  hstsSeconds = 0,
  extend,
}: ListenerOptions): FastifyAdapter {
  const adapter = new FastifyAdapter({
    trustProxy: false,
    rewriteUrl: ({ url = '/' }: { url?: string }) => meaning(withoutPublicPath(rule, url)),
    bodyLimit: limits.maxBodyBytes,
    forceCloseConnections: true,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionTimeout: limits.idleMs,
    http: httpServerOptions(limits),
    ...(tls && { serverFactory: (listener: RequestListener) => tlsServer(tls, limits, listener) }),
    // A request whose address cannot be decoded gets here before any hook runs.
    frameworkErrors: (error: { statusCode?: number }, _request: unknown, reply: FastifyReply) => {
      void reply
        .status(error.statusCode ?? 400)
        .headers({ connection: 'close', 'x-content-type-options': 'nosniff' })
        .send({ error: 'the address cannot be read: is it percent-encoded?', code: 'bad-address' });
    },
  });
  if (textBodies) {
    for (const type of ['application/json', 'text/plain', 'application/x-www-form-urlencoded'])
      adapter.useBodyParser(type, true, {}, (_request, body, done) => done(null, body.toString()));
  }
  const http = adapter.getInstance<FastifyInstance>();
  extend?.(http);
  http.addHook('onRequest', async ({ headers, method, raw }, reply) => {
    void reply.header('x-content-type-options', 'nosniff');
    if (hstsSeconds > 0) void reply.header('strict-transport-security', `max-age=${hstsSeconds}`);
    const url = raw.url ?? '';
    if (url.length > limits.maxUrlCharacters) {
      const error = `the address is longer than ${limits.maxUrlCharacters} characters`;
      return reply.status(414).header('connection', 'close').send({ error, code: 'address-too-long' });
    }
    const refusal = refusedBy(rule, headers);
    const { origin } = headers;
    if (refusal === null) {
      if (origin !== undefined && isShared(pathOf(url))) void reply.headers(readableBy(origin));
      return;
    }
    const { status, body } = refusedAs?.(pathOf(url), method, refusal) ?? {
      status: refusal.status,
      body: { error: refusal.error, code: refusal.code },
    };
    // Plain text, so that a page from elsewhere could not inject anything. The connection is closed, so that a body is not read.
    return reply
      .status(status)
      .headers({ connection: 'close', 'content-type': 'text/plain; charset=utf-8' })
      .send(JSON.stringify(body));
  });
  limitConnections(http.server, limits, upgrades);
  return adapter;
}

function tlsServer(tls: TlsIdentity, limits: ListenerLimits, listener: RequestListener): Server {
  return new TlsServer(tls, httpServerOptions(limits), listener).setTimeout(limits.idleMs);
}

function pathOf(url: string): string {
  return url.split('?', 1)[0]!;
}

function readableBy(origin: string): Record<string, string> {
  return {
    'access-control-allow-origin': origin,
    'access-control-allow-headers': 'Content-Type',
    'access-control-max-age': '3600',
    vary: 'origin',
  };
}

/**
 * Limits connections to `maxConnections`. A connection counts as in use from the end of a request's body until it is answered, so that a
 * client that sends slowly displaces nobody.
 */
function limitConnections(server: Server, limits: ListenerLimits, upgrades: boolean): void {
  server.maxHeadersCount = limits.maxHeaders;
  const cap = new ConnectionCap<Socket>({ max: limits.maxConnections });
  server.on('connection', (socket: Socket) => {
    const loser = cap.admit(socket, null);
    loser?.destroy();
    if (loser !== socket) socket.once('close', () => cap.remove(socket));
  });
  server.on('request', (request, response) => {
    const { socket, headers } = request;
    const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
    if (hasBody) request.once('end', () => cap.use(socket));
    else cap.use(socket);
    response.once('close', () => cap.rest(socket));
  });
  // Only when somebody else listens too: without listeners Node answers upgrades itself.
  if (upgrades) server.on('upgrade', (request) => cap.remove(request.socket));
}
