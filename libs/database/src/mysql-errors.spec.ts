import { describe, expect, it } from '@jest/globals';
import { OperationalError } from '@millrace/domain';
import { asOperational, isRolledBack } from './mysql-errors.js';

const error = (fields: object, message = 'no'): Error => Object.assign(new Error(message), fields);

describe('asOperational', () => {
  it.each([
    ['a refused connection', error({ code: 'ECONNREFUSED', errno: -111 })],
    ['a host that is away', error({ code: 'EHOSTUNREACH', errno: -113 })],
    ['a network that is away', error({ code: 'ENETUNREACH' })],
    ['a name that is not found', error({ code: 'ENOTFOUND', errno: -3008 })],
    ['a lost connection', error({ code: 'PROTOCOL_CONNECTION_LOST', fatal: true })],
    ['a dead connection', error({}, `Can't add new command when connection is in closed state`)],
    ['a server that is read-only after a failover', error({ code: 'ER_OPTION_PREVENTS_STATEMENT', errno: 1290 })],
    ['a full disk', error({ code: 'ER_RECORD_FILE_FULL', errno: 1114 })],
    ['a killed connection, which mysql2 has no name for', error({ code: 'UNKNOWN_CODE_PLEASE_REPORT', errno: 1927 })],
    ['too many connections', error({ code: 'ER_CON_COUNT_ERROR', errno: 1040, fatal: true })],
    ['a deadlock', error({ code: 'ER_LOCK_DEADLOCK', errno: 1213 })],
  ])('%s is the surroundings', (_what, cause) => {
    expect(asOperational(cause)).toMatchObject({ code: 'database-unavailable', cause });
  });

  it.each([
    ['a duplicate key', error({ code: 'ER_DUP_ENTRY', errno: 1062 })],
    ['a value that is too long', error({ code: 'ER_DATA_TOO_LONG', errno: 1406 })],
    ['a database that does not exist', error({ code: 'ER_BAD_DB_ERROR', errno: 1049, fatal: true })],
    ['a mistake of ours', new TypeError('x is not a function')],
  ])('%s is not', (_what, cause) => {
    expect(asOperational(cause)).toBe(cause);
  });
});

it.each([
  [1213, true],
  [1205, true],
  [1062, false],
  [1290, false],
])('errno %i, rolled back: %s', (errno, expected) => {
  expect(isRolledBack(error({ errno }))).toBe(expected);
  expect(isRolledBack(new OperationalError('x', 'x', {}, { cause: error({ errno }) }))).toBe(expected);
});
