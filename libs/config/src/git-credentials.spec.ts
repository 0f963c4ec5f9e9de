import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { checkRepository, credentialsFor, isWithin, scopeOf } from './git-credentials.js';

describe('isWithin', () => {
  it.each([
    ['https://git.example.org/app.git', 'https://git.example.org', true],
    ['https://GIT.example.org:443/app.git', 'https://git.example.org', true],
    ['https://git.example.org/team/app.git', 'https://git.example.org/team', true],
    ['https://git.example.org/team/app.git', 'https://git.example.org/team/', true],
    ['https://git.example.org/team', 'https://git.example.org/team', true],
    ['https://git.example.org/teams/app.git', 'https://git.example.org/team', false],
    ['https://git.example.org/other/app.git', 'https://git.example.org/team', false],
    ['https://git.example.org/team/../other/app.git', 'https://git.example.org/team', false],
    ['https://git.example.org/team/%2e%2e/other/app.git', 'https://git.example.org/team', false],
    ['https://git.example.org/team%2f..%2fother', 'https://git.example.org', false],
    ['http://git.example.org/app.git', 'https://git.example.org', false],
    ['https://git.example.org:8443/app.git', 'https://git.example.org', false],
    ['https://git.example.org.evil.example/app.git', 'https://git.example.org', false],
    ['https://evil.example/git.example.org', 'https://git.example.org', false],
    ['https://git.example.org@evil.example/app.git', 'https://git.example.org', false],
    ['https://evil.example#@git.example.org/', 'https://git.example.org', false],
    ['https://git.example.org\\@evil.example/', 'https://git.example.org', false],
    ['https://evil.example\\@git.example.org/', 'https://git.example.org', false],
    ['https://git.example.org\n.evil.example/', 'https://git.example.org', false],
    ['https://git.example.org/app.git\nhost=evil.example', 'https://git.example.org', false],
    ['https://git.example.org/?x', 'https://git.example.org', false],
    ['https:git.example.org/x', 'https://git.example.org', false],
    ['ssh://git.example.org/x', 'https://git.example.org', false],
    ['/srv/git/x', 'https://git.example.org', false],
    [`https://git.example.org/${'x'.repeat(2_000)}`, 'https://git.example.org', false],
    ['https://[::1]:80/x', 'https://[::1]:80', true],
  ])('%j in %j: %s', (address, scope, expected) => expect(isWithin(address, scope)).toBe(expected));

  it('refuses an address whose host a URL parser reads differently', () => {
    const part = fc.constantFrom(
      'git.example.org',
      'evil.example',
      '@',
      ':',
      '/',
      '\\',
      '#',
      '?',
      '%2f',
      '..',
      '.',
      '\t',
      '//',
      'a',
    );
    const address = fc.array(part, { maxLength: 8 }).map((parts) => `https://${parts.join('')}`);
    fc.assert(
      fc.property(address, (given) => {
        if (isWithin(given, 'https://git.example.org')) expect(new URL(given).origin).toBe('https://git.example.org');
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('scopeOf', () => {
  it.each([
    [{}, 'https://git.example.org/team/app.git', 'https://git.example.org'],
    [{ url: 'https://git.example.org:443/team/' }, null, 'https://git.example.org/team'],
    [{ url: 'https://git.example.org' }, 'https://other.example/x', 'https://git.example.org'],
    [{}, null, null],
    [{ url: 'git.example.org' }, null, null],
    [{}, '/srv/git', null],
  ])('of %j and %j is %j', (credentials, repository, scope) => expect(scopeOf(credentials, repository)).toBe(scope));
});

describe('credentialsFor', () => {
  const env = { TOKEN: 'hunter2' };
  it('returns the credentials for their scope only', () => {
    const bound = credentialsFor({ passwordEnv: 'TOKEN' }, 'https://h/x', 'https://h/x', env);
    expect(bound).toEqual({ username: 'git', password: 'hunter2', scope: 'https://h' });
  });

  it.each([
    ['another host', { passwordEnv: 'TOKEN', url: 'https://h' }, 'https://evil/x', 'bad-credentials'],
    ['no scope', { passwordEnv: 'TOKEN' }, 'https://h/x', 'bad-credentials'],
    ['no password', { passwordEnv: 'OTHER', url: 'https://h' }, 'https://h/x', 'no-credentials'],
  ])('are refused for %s', (_what, credentials, repository, code) => {
    expect(() => credentialsFor(credentials, repository, null, env)).toThrow(expect.objectContaining({ code }));
  });
});

it('checkRepository shows nothing of the secret', () => {
  expect(() => checkRepository('https://user:hunter2@h/x')).toThrow(
    expect.objectContaining({ code: 'secret-in-address' }),
  );
  expect(() => checkRepository('https://user:hunter2@h/x')).not.toThrow(/hunter2/);
  expect(() => checkRepository('git@h:x')).not.toThrow();
});
