import { OperationalError } from '@millrace/domain';

/** Errors whose cause is the server and not the statement: the same statement may succeed later. */
const OUTSIDE = new Set([
  1020, // ER_CHECKREAD: the row changed since the snapshot
  1021, // ER_DISK_FULL
  1028, // ER_FILSORT_ABORT
  1030, // ER_GET_ERRNO: the storage engine failed
  1037, // ER_OUTOFMEMORY
  1040, // ER_CON_COUNT_ERROR: too many connections
  1041, // ER_OUT_OF_RESOURCES
  1045, // ER_ACCESS_DENIED_ERROR: a password is being changed
  1047, // ER_UNKNOWN_COM_ERROR: a Galera node that is not ready
  1053, // ER_SERVER_SHUTDOWN
  1114, // ER_RECORD_FILE_FULL
  1129, // ER_HOST_IS_BLOCKED
  1135, // ER_CANT_CREATE_THREAD
  1180, // ER_ERROR_DURING_COMMIT
  1203, // ER_TOO_MANY_USER_CONNECTIONS
  1205, // ER_LOCK_WAIT_TIMEOUT
  1213, // ER_LOCK_DEADLOCK
  1226, // ER_USER_LIMIT_REACHED
  1290, // ER_OPTION_PREVENTS_STATEMENT: read-only after a failover
  1317, // ER_QUERY_INTERRUPTED
  1792, // ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION
  1836, // ER_READ_ONLY_MODE
  1927, // ER_CONNECTION_KILLED
  1969, // ER_STATEMENT_TIMEOUT
  4031, // ER_CLIENT_INTERACTION_TIMEOUT
]);

/** The database does not exist: waiting does not help. */
const NO_DATABASE = 1049;

interface MysqlError extends Error {
  readonly code?: string;
  /** The server's error number when positive, the operating system's when negative. */
  readonly errno?: number;
  /** True when the connection cannot be used any more. */
  readonly fatal?: boolean;
}

/** Converts an error of the database's environment to `OperationalError` `database-unavailable`. Other errors are returned unchanged. */
export function asOperational(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  if (error instanceof OperationalError || !isOutside(error)) return error;
  const { code = '' } = error as MysqlError;
  return new OperationalError('database-unavailable', `database: ${error.message}`, { code }, { cause: error });
}

function isOutside(error: MysqlError): boolean {
  const { code = '', errno, fatal } = error;
  if (errno === NO_DATABASE) return false;
  if (fatal === true || (errno !== undefined && (errno < 0 || OUTSIDE.has(errno)))) return true;
  // mysql2 reports a dead connection in the message only.
  return /^(PROTOCOL_|E(?!R_))/.test(code) || /closed state|Connection lost|server closed/i.test(error.message);
}

/**
 * Whether the transaction was rolled back and can safely be run again: a deadlock's victim (also a Galera certification failure at COMMIT),
 * or a lock wait that took too long.
 */
export function isRolledBack(error: unknown): boolean {
  const { errno } = (error instanceof OperationalError ? (error.cause ?? {}) : (error ?? {})) as { errno?: number };
  return errno === 1213 || errno === 1205;
}
