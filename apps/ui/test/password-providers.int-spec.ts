import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CompiledLdap, CompiledProvider, CompiledWww } from '@millrace/contracts';
import { UserStore } from '@millrace/database';
import { hashSync } from '@node-rs/bcrypt';
import { freePort, requireService, type Slapd, startSlapd } from '@millrace/testing';
import type { PasswordProvider } from '../src/access/providers/kind.js';
import { providerKind } from '../src/access/providers/registry.js';
import { startUi, type UiServer } from './server.js';
import { Site } from './site.js';

const SUFFIX = 'dc=example,dc=org';
const LONG = `grün ✓ ${'x'.repeat(50)}`;
const PEOPLE = [
  { uid: 'ann', password: 'correct horse', cn: 'Ann Ö', mail: 'ann@example.org', groups: ['admins', 'qa'] },
  { uid: 'bob', password: LONG },
  { uid: 'a*b', password: 'of the star' },
  { uid: 'x,ou=people', password: 'of the comma' },
  { uid: 'local', password: 'of the directory' },
];
const hasSlapd = requireService('slapd');

let folder: string;
let slapd: Slapd | null = null;
const warnings: string[] = [];
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-passwords-'));
  if (hasSlapd) slapd = await startSlapd(PEOPLE);
}, 90_000);
afterAll(async () => {
  await slapd?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const made = (compiled: CompiledProvider, env: Record<string, string> = {}): PasswordProvider => {
  const log = { warn: (_fields: unknown, text: string) => warnings.push(text) } as never;
  return providerKind(compiled.kind)!.make(compiled, { env, log, answerMs: 10_000 }) as PasswordProvider;
};

const bcryptOf = (password: string): string => hashSync(password, { cost: 5, version: '2y' });
const openssl = (kind: '-apr1' | '-6', password: string): string =>
  execFileSync('openssl', ['passwd', kind, '-stdin'], { input: password, encoding: 'utf8' }).trim();
const fileOf = (name: string, hash: (password: string) => string): CompiledProvider => {
  const file = join(folder, name);
  writeFileSync(file, PEOPLE.map(({ uid, password }) => `${uid}:${hash(password)}\n`).join(''));
  return { kind: 'htpasswd', name: 'htpasswd', label: 'file', file };
};
const ldap = (more: Partial<CompiledLdap> = {}): CompiledLdap => ({
  ...{
    kind: 'ldap',
    name: 'ldap',
    label: 'directory',
    url: slapd!.url,
    startTls: false,
    caFile: null,
    timeoutMs: 5000,
  },
  user: { by: 'dn', dn: `uid={user},ou=people,${SUFFIX}` },
  groups: { base: `ou=groups,${SUFFIX}`, filter: '(member={dn})', name: 'cn' },
  attributes: { username: 'uid', fullName: 'cn', email: 'mail', subject: 'entryUUID' },
  ...more,
});
const bySearch = (more: Partial<CompiledLdap> = {}): CompiledLdap =>
  ldap({
    user: { by: 'search', base: SUFFIX, filter: '(uid={user})', bindDn: slapd!.reader.dn, bindPasswordEnv: 'READER' },
    ...more,
  });
const READER = { READER: 'of-the-reader' };

describe.each<[string, boolean, () => PasswordProvider]>([
  ['a file with bcrypt', true, () => made(fileOf('bcrypt', bcryptOf))],
  ['a file with apr1', true, () => made(fileOf('apr1', (password) => openssl('-apr1', password)))],
  ['a file with SHA-512', true, () => made(fileOf('sha512', (password) => openssl('-6', password)))],
  ['a directory', hasSlapd, () => made(ldap())],
  ['a directory with an account to search', hasSlapd, () => made(bySearch(), READER)],
  ['a directory with StartTLS', hasSlapd, () => made(ldap({ startTls: true, caFile: slapd!.caFile }))],
  ['an encrypted directory', hasSlapd, () => made(bySearch({ url: slapd!.secureUrl, caFile: slapd!.caFile }), READER)],
])('%s', (_name, isThere, start) => {
  const check = isThere ? it : it.skip;
  let provider: PasswordProvider;
  beforeAll(() => {
    if (isThere) provider = start();
  });

  check('knows people by name and password, both exactly', async () => {
    for (const { uid, password } of PEOPLE)
      expect(await provider.check(uid, password)).toMatchObject({ username: uid, subject: expect.any(String) });
  });

  check('always gives a person the same subject, and others another', async () => {
    const subjectOf = async (name: string, password: string) => (await provider.check(name, password))!.subject;
    const ann = await subjectOf('ann', 'correct horse');
    expect(await subjectOf('ann', 'correct horse')).toBe(ann);
    expect(await subjectOf('bob', LONG)).not.toBe(ann);
  });

  check.each([
    ['another password', 'ann', 'correct horsf'],
    ['more than the password', 'ann', 'correct horse '],
    ["another's password", 'ann', LONG],
    ['no password', 'ann', ''],
    ['nobody', 'nobody', 'correct horse'],
    ['a pattern', '*', 'correct horse'],
    ['a pattern that fits one', 'an*', 'correct horse'],
    ['a filter', 'ann)(uid=*', 'correct horse'],
    ['a filter that is always true', '*)(|(uid=*', 'correct horse'],
    ['the entry of somebody', 'ann,ou=people', 'correct horse'],
    ['two attributes', 'ann+cn=ann', 'correct horse'],
    ['a name without end', 'x'.repeat(100), 'correct horse'],
    ['an object', '__proto__', 'correct horse'],
  ])('refuses %s', async (_case, username, password) => {
    expect(await provider.check(username, password)).toBeNull();
  });
});

describe('a file', () => {
  const entry = { kind: 'htpasswd', name: 'htpasswd', label: 'file' } as const;

  it('is read again when it changes, and says when it is not there', async () => {
    const file = join(folder, 'changing');
    const provider = made({ ...entry, file });
    await expect(provider.check('ann', 'x')).rejects.toMatchObject({ code: 'provider-unavailable' });
    writeFileSync(file, `ann:${openssl('-apr1', 'first')}\n`);
    expect(await provider.check('ann', 'first')).not.toBeNull();
    writeFileSync(file, `# changed\nann:${openssl('-apr1', 'second')}\n`);
    expect(await provider.check('ann', 'first')).toBeNull();
    expect(await provider.check('ann', 'second')).toMatchObject({ subject: 'ann', groups: [] });
  });

  it('is refused when it is too long', async () => {
    const file = join(folder, 'long');
    writeFileSync(file, '#'.repeat((4 << 20) + 1));
    await expect(made({ ...entry, file }).check('ann', 'x')).rejects.toMatchObject({ code: 'bad-provider-answer' });
  });

  it('says which lines are no good, without the hashes', async () => {
    const file = join(folder, 'old');
    warnings.length = 0;
    writeFileSync(file, 'ann:plaintext\nbob:rqXexS6ZhobKA\n');
    expect(await made({ ...entry, file }).check('ann', 'plaintext')).toBeNull();
    expect(warnings.map((text) => text.replace(file, 'FILE'))).toEqual([
      expect.stringContaining("FILE: line 1 ('ann') has no hash that is good enough"),
      expect.stringContaining("FILE: line 2 ('bob') has no hash that is good enough"),
    ]);
    expect(warnings.join()).not.toMatch(/plaintext|rqXexS/);
  });
});

(hasSlapd ? describe : describe.skip)('a directory', () => {
  it('has names, addresses and groups of people', async () => {
    expect(await made(ldap()).check('ann', 'correct horse')).toEqual({
      ...{
        subject: expect.stringMatching(/^[\da-f-]{36}$/),
        username: 'ann',
        fullName: 'Ann Ö',
        email: 'ann@example.org',
      },
      groups: expect.arrayContaining(['admins', 'qa']),
    });
    // A directory does not tell small letters from large ones: it is the same person, by the name that the entry has.
    expect(await made(ldap({ groups: null })).check('ANN', 'correct horse')).toMatchObject({
      username: 'ann',
      groups: [],
    });
  });

  it.each<[string, () => PasswordProvider, string]>([
    ['it does not answer', () => made(ldap({ url: 'ldap://localhost:1' })), 'provider-unavailable'],
    ['its certificate is not known', () => made(ldap({ url: slapd!.secureUrl })), 'provider-unavailable'],
    ['its certificate is not known to StartTLS', () => made(ldap({ startTls: true })), 'provider-unavailable'],
    ['the file of certificates is missing', () => made(ldap({ caFile: '/nowhere' })), 'provider-unavailable'],
    ['the account to search is wrong', () => made(bySearch(), { READER: 'x' }), 'bad-provider-answer'],
    [
      'a subject is missing',
      () => made(ldap({ attributes: { username: 'uid', fullName: 'cn', email: 'mail', subject: 'title' } })),
      'bad-provider-answer',
    ],
    [
      'two people have a name',
      () =>
        made(
          bySearch({
            user: {
              by: 'search',
              base: SUFFIX,
              filter: '(|(uid={user})(uid=bob))',
              bindDn: slapd!.reader.dn,
              bindPasswordEnv: 'READER',
            },
          }),
          READER,
        ),
      'login-refused',
    ],
  ])('says when %s', async (_name, start, code) => {
    await expect(start().check('ann', 'correct horse')).rejects.toMatchObject({ code });
  });

  it('that hangs is given up', async () => {
    const frozen = await startSlapd([]);
    try {
      frozen.freeze();
      const provider = made(ldap({ url: frozen.url, timeoutMs: 300 }));
      await expect(provider.check('ann', 'correct horse')).rejects.toMatchObject({ code: 'provider-unavailable' });
    } finally {
      frozen.thaw();
      await frozen.stop();
    }
  }, 60_000);
});

(hasSlapd ? describe : describe.skip)('the login of the UI', () => {
  let site: Site;
  let ui: UiServer;
  let www: CompiledWww = {};
  beforeAll(async () => {
    site = await Site.onSqlite();
    await new UserStore(site.db).add({
      ...{ username: 'local', fullName: null, email: null, groups: ['own'], password: 'battery staple' },
    });
    const policy = {
      get www(): CompiledWww {
        return www;
      },
    };
    ui = await startUi(site, { policy });
  }, 60_000);
  afterAll(async () => {
    await ui?.close();
    await site?.close();
  });
  const use = (...providers: CompiledProvider[]): void => {
    www = { auth: { idleMs: 3_600_000, sessionMs: 7_200_000, providers } };
  };
  const login = async (username: string, password: string): Promise<[number, string | undefined, unknown]> => {
    const answer = await fetch(`${ui.url}/auth/login`, {
      ...{ method: 'POST', headers: { 'content-type': 'application/json' } },
      body: JSON.stringify({ username, password }),
    });
    const { code, user } = (await answer.json()) as { code?: string; user?: unknown };
    return [answer.status, code, user];
  };

  it('asks the accounts of our own, then each provider', async () => {
    use(
      fileOf('first', (password) => openssl('-apr1', `file ${password}`)),
      ldap(),
    );
    expect(await login('local', 'battery staple')).toMatchObject([
      200,
      undefined,
      { username: 'local', groups: ['own'] },
    ]);
    expect(await login('ann', 'correct horse')).toMatchObject([200, undefined, { full_name: 'Ann Ö' }]);
    // The same name in the file is somebody else, and in the directory no account of ours.
    expect(await login('ann', 'file correct horse')).toMatchObject([409, 'name-taken', undefined]);
    expect(await login('local', 'of the directory')).toMatchObject([409, 'name-taken', undefined]);
    expect(await login('ann', 'wrong')).toMatchObject([401, 'unauthorized', undefined]);
  });

  it('does not need a provider for the accounts of our own', async () => {
    use(ldap({ url: `ldap://127.0.0.1:${await freePort()}` }));
    expect((await login('local', 'battery staple'))[0]).toBe(200);
    expect((await login('ann', 'correct horse')).slice(0, 2)).toEqual([503, 'provider-unavailable']);
  });

  it('slows guesses down, however the name is written', async () => {
    use(ldap());
    const names = ['bob', 'BOB', 'Bob', 'bOb', 'boB', 'BOb'];
    const startedAt = performance.now();
    for (const name of names) expect((await login(name, 'wrong'))[0]).toBe(401);
    expect(performance.now() - startedAt).toBeGreaterThan(950);
    expect((await login('bob', LONG))[0]).toBe(200);
  });
});
