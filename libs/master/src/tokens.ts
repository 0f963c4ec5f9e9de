/** Injection tokens of the values that `MasterModule` provides and that have no class of their own. */

/** `RoleSettings[role]`: the settings of this master. */
export const SETTINGS = Symbol('SETTINGS');
/** `Database` */
export const DATABASE = Symbol('DATABASE');
/** `Incarnation`: this life of this master. Its epoch guards the master's writes. */
export const ME = Symbol('ME');
/** `TlsIdentity | null`: the certificate of the HTTP port; null without TLS. */
export const HTTP_TLS = Symbol('HTTP_TLS');
/** `Logger` */
export const LOG = Symbol('LOG');
