import { describe, expect, it } from '@jest/globals';
import { UserError } from '@millrace/domain';
import { settingsFrom } from './options.js';
import type { BusOptions } from './port.js';

function problemsOf(options: BusOptions): string[] {
  try {
    settingsFrom(options);
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return ((error as UserError).fields['problems'] as { field: string }[]).map(({ field }) => field);
  }
  return [];
}

describe('settingsFrom', () => {
  it.each([
    ['none:', 'none'],
    ['ws://bus:8080/ws', 'wamp'],
    ['wss://bus/ws', 'wamp'],
    ['nats://bus:4222', 'nats'],
    ['tls://bus:4222', 'nats'],
  ])('knows %s', (url, kind) => {
    expect(settingsFrom({ url })).toMatchObject({ kind, realm: 'realm1', prefix: 'org.millrace' });
  });

  it.each(['', 'bus', 'http://bus', 'ws://', 'ws:', 'file:///x'])("refuses the URL '%s'", (url) => {
    expect(problemsOf({ url })).toEqual(['url']);
  });

  it('lists every bad field at once', () => {
    const options = {
      url: 'ftp://x',
      prefix: 'org..millrace',
      realm: '',
      maxQueued: 0,
      heartbeatMs: 1.5,
      backoff: { minMs: 100, maxMs: 10 },
    };
    expect(problemsOf(options)).toEqual(['url', 'prefix', 'realm', 'maxQueued', 'heartbeatMs', 'backoff.maxMs']);
  });

  it('removes credentials from the URL and never shows them', () => {
    expect(settingsFrom({ url: 'ws://ci:p%40ss@bus/ws' })).toMatchObject({
      url: 'ws://bus/ws',
      authId: 'ci',
      ticket: 'p@ss',
    });
    expect(settingsFrom({ url: 'nats://ci:pw@bus:4222' })).toMatchObject({
      user: 'ci',
      password: 'pw',
      token: undefined,
    });
    expect(settingsFrom({ url: 'nats://tok@bus:4222' })).toMatchObject({ user: undefined, token: 'tok' });
    expect(() => settingsFrom({ url: 'amqp://ci:s3cret@bus' })).toThrow(/MILLRACE_BUS.*'amqp:\/\/…'/);
  });

  it.each([
    'amqp://ci:s3cret@bus',
    'amqp://ci:s3/cret@bus',
    'ci:s3cret@bus',
    'nats:ci:s3cret@bus',
    'nats://ci:s3cret@bus:port',
    'nats://%zz:s3cret@bus',
    'ws://ci:s3cret%@bus',
    's3cret',
  ])('shows no part of %s that could be a password', (url) => {
    const thrown = (): string => {
      try {
        return JSON.stringify(settingsFrom({ url }));
      } catch (error) {
        const { message, fields } = error as UserError;
        return message + JSON.stringify(fields);
      }
    };
    expect(thrown()).toMatch(/MILLRACE_BUS/);
    expect(thrown()).not.toContain('s3');
  });
});
