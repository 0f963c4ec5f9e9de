/** Names of what `MasterModule` provides and no class stands for. */

/** `RoleSettings[role]`: the settings of this master. */
export const SETTINGS = Symbol('SETTINGS');
/** `Database` */
export const DATABASE = Symbol('DATABASE');
/** `Incarnation`: this life of this master. Its epoch guards the master's writes. */
export const ME = Symbol('ME');
/** `Logger` */
export const LOG = Symbol('LOG');
