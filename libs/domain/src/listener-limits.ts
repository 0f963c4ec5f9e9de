export interface ListenerLimits {
  /** From connecting, or from the first byte of a later request, to the end of its headers. */
  readonly headersMs: number;
  /** To the end of its body. */
  readonly requestMs: number;
  /** Between two requests of a connection. */
  readonly keepAliveMs: number;
  /** Without a byte in either direction while a request is answered. */
  readonly idleMs: number;
  /** How late any of these is noticed. */
  readonly checkEveryMs: number;
  readonly maxHeaderBytes: number;
  readonly maxHeaders: number;
  readonly maxUrlCharacters: number;
  readonly maxBodyBytes: number;
  /** Connections that are being answered never go for others; of the rest the oldest goes first. */
  readonly maxConnections: number;
}

/** What a stranger may use of any port of ours that speaks HTTP. */
export const LISTENER_LIMITS: ListenerLimits = {
  headersMs: 10_000,
  requestMs: 30_000,
  // Longer than the usual 60 seconds of proxies, so that it is they who end it.
  keepAliveMs: 65_000,
  idleMs: 120_000,
  checkEveryMs: 2_000,
  maxHeaderBytes: 16 << 10,
  maxHeaders: 100,
  maxUrlCharacters: 8_000,
  maxBodyBytes: 1 << 20,
  maxConnections: 2_000,
};

/** The same for `createServer` of Node. */
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
