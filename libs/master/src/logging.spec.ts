import { describe, expect, it } from '@jest/globals';
import { OperationalError } from '@millrace/domain';
import { createLogger, type Logger } from './logging.js';

const SECRET = 's3cret-of-ours';

function logged(write: (log: Logger) => void): Record<string, unknown>[] {
  const lines: string[] = [];
  write(createLogger({ logLevel: 'trace', role: 'ui', name: 'ui@test' }, { write: (line) => lines.push(line) }));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

const driverError = Object.assign(new Error(`connect mysql://millrace:${SECRET}@db/ci`), {
  code: 'ECONNREFUSED',
  sql: `SELECT '${SECRET}'`,
  config: { password: SECRET },
});

describe('the log of a master', () => {
  it.each<[string, (log: Logger) => void]>([
    ['a text', (log) => log.info(`bus at nats://ci:${SECRET}@bus`)],
    ['the text beside fields', (log) => log.info({ a: 1 }, `bus at nats://ci:${SECRET}@bus`)],
    ['a value in a format', (log) => log.info('bus at %s', `nats://ci:${SECRET}@bus`)],
    ['a field', (log) => log.info({ url: `nats://ci:${SECRET}@bus` }, 'x')],
    ['a field by its name', (log) => log.info({ ticket: SECRET, inner: { password: SECRET } }, 'x')],
    ['an error', (log) => log.error({ err: driverError }, `failed: ${driverError.message}`)],
    ['an error alone', (log) => log.error(driverError)],
    ['an error with a text', (log) => log.error(driverError, 'x')],
    ['an error under another name', (log) => log.error({ error: driverError, reason: driverError }, 'x')],
  ])('hides what opens something in %s', (_what, write) => {
    const lines = logged(write);
    expect(lines).toHaveLength(1);
    expect(JSON.stringify(lines)).not.toContain(SECRET);
  });

  it('names the master, the cause and the fields', () => {
    const cause = new OperationalError('database-away', 'the database is away', { host: 'db' });
    const [line] = logged((log) => log.warn({ err: cause, buildId: 7 }, 'round failed'));
    expect(line).toMatchObject({
      level: 40,
      role: 'ui',
      master: 'ui@test',
      msg: 'round failed',
      buildId: 7,
      err: { type: 'OperationalError', code: 'database-away', fields: { host: 'db' }, stack: expect.any(String) },
    });
    expect(logged((log) => log.error(new Error('alone')))[0]).toMatchObject({
      msg: 'alone',
      err: { message: 'alone' },
    });
  });
});
