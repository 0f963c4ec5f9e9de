/** Injection tokens of the values that `MasterModule` provides and that have no class of their own. */

/** `RoleSettings[role]`: the settings of this master. */
export const SETTINGS = Symbol('SETTINGS');
/** `Database` */
export const DATABASE = Symbol('DATABASE');
/** `Incarnation`: this life of this master. Its epoch guards the master's writes. */
export const ME = Symbol('ME');
/** `Logger` */
export const LOG = Symbol('LOG');
