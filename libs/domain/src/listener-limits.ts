/** What a stranger may use of any port of ours that speaks HTTP. */
export const LISTENER_LIMITS = {
  /** From connecting, or from the first byte of a later request, to the end of its headers. */
  headersMs: 10_000,
  /** To the end of its body. */
  requestMs: 30_000,
  /** Between two requests of a connection. Longer than the usual 60 seconds of proxies, so that it is they who end it. */
  keepAliveMs: 65_000,
  /** Without a byte in either direction while a request is answered. */
  idleMs: 120_000,
  /** How late any of these is noticed. */
  checkEveryMs: 2_000,
  maxHeaderBytes: 16 << 10,
  maxHeaders: 100,
  maxUrlCharacters: 8_000,
  maxBodyBytes: 1 << 20,
  /** Connections that are being answered never go for others; of the rest the oldest goes first. */
  maxConnections: 2_000,
} as const;

/** The same for `createServer` of Node. */
export function httpServerOptions(): {
  readonly headersTimeout: number;
  readonly requestTimeout: number;
  readonly keepAliveTimeout: number;
  readonly connectionsCheckingInterval: number;
  readonly maxHeaderSize: number;
} {
  return {
    headersTimeout: LISTENER_LIMITS.headersMs,
    requestTimeout: LISTENER_LIMITS.requestMs,
    keepAliveTimeout: LISTENER_LIMITS.keepAliveMs,
    connectionsCheckingInterval: LISTENER_LIMITS.checkEveryMs,
    maxHeaderSize: LISTENER_LIMITS.maxHeaderBytes,
  };
}
