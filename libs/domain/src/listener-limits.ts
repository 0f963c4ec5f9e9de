export interface ListenerLimits {
  /** Time from connecting, or from the first byte of a later request, to the end of its headers. */
  readonly headersMs: number;
  /** Time to the end of a request's body. */
  readonly requestMs: number;
  /** Time between two requests of a connection. */
  readonly keepAliveMs: number;
  /** Time without a byte in either direction while a request is answered. */
  readonly idleMs: number;
  /** How late an exceeded time is noticed. */
  readonly checkEveryMs: number;
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
  readonly maxUrlCharacters: number;
  readonly maxBodyBytes: number;
  /** Most connections. A connection that is being answered is never ended for another; of the rest the oldest is ended first. */
  readonly maxConnections: number;
}

/** Limits of a client on any HTTP port of ours. */
export const LISTENER_LIMITS: ListenerLimits = {
  headersMs: 10_000,
  requestMs: 30_000,
  // Longer than the usual 60 seconds of proxies, so that the proxy ends the connection first.
  keepAliveMs: 65_000,
  idleMs: 120_000,
  checkEveryMs: 2_000,
  maxHeaderBytes: 16 << 10,
  maxHeaders: 100,
  maxUrlCharacters: 8_000,
  maxBodyBytes: 1 << 20,
  maxConnections: 2_000,
};

/** Returns the limits as options of Node's `createServer`. */
export function httpServerOptions(limits: ListenerLimits = LISTENER_LIMITS): {
  readonly headersTimeout: number;
  readonly requestTimeout: number;
  readonly keepAliveTimeout: number;
  readonly connectionsCheckingInterval: number;
  readonly maxHeaderSize: number;
} {
  return {
    headersTimeout: limits.headersMs,
    requestTimeout: limits.requestMs,
    keepAliveTimeout: limits.keepAliveMs,
    connectionsCheckingInterval: limits.checkEveryMs,
    maxHeaderSize: limits.maxHeaderBytes,
  };
}
