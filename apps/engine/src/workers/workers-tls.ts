/** `TlsIdentity | null`: the identity of the workers' ports; null without TLS. */
export const WORKERS_TLS = Symbol('WORKERS_TLS');
