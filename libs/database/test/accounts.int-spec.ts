import { beforeEach, describe, expect, it } from '@jest/globals';
import { ApiTokenStore, SessionStore, UserStore } from '@millrace/database';
import { eventually } from '@millrace/testing';
import { onEveryDatabase } from './databases.js';

const HOUR_MS = 3_600_000;
const ann = { username: 'ann', fullName: 'Ann Ö', email: 'ann@example.org', groups: ['admins', 'qa'] };
const bob = { username: 'bob', fullName: null, email: null, groups: [] };

onEveryDatabase('accounts', (get) => {
  let users: UserStore;
  let sessions: SessionStore;
  let tokens: ApiTokenStore;
  beforeEach(async () => {
    const { db } = get();
    for (const table of ['users', 'sessions', 'api_tokens']) await db.run(`DELETE FROM ${table}`);
    users = new UserStore(db);
    sessions = new SessionStore(db);
    tokens = new ApiTokenStore(db);
    await users.add({ ...ann, password: 'correct horse' });
    await users.add({ ...bob, password: 'battery staple' });
  }, 60_000);
  const signIn = (sessionMs = HOUR_MS): Promise<string> =>
    sessions.begin({ account: ann, signedInBy: 'account', address: '192.0.2.1', sessionMs });

  it('are checked by name and password, both exactly', async () => {
    expect(await users.check('ann', 'correct horse')).toEqual(ann);
    for (const [name, password] of [
      ['ann', 'correct horse '],
      ['ann', ''],
      ['Ann', 'correct horse'],
      ['ann ', 'correct horse'],
      ['nobody', 'correct horse'],
      ["' OR 1=1 --", 'x'],
    ] as const)
      expect(await users.check(name, password)).toBeNull();
  });

  it('are listed without their passwords, of which only a salted hash is stored', async () => {
    expect(await users.list()).toMatchObject([ann, bob]);
    const rows = await get().db.all<{ password_hash: string }>(`SELECT * FROM users`);
    expect(rows.map(({ password_hash }) => password_hash.slice(0, 10))).toEqual(['$argon2id$', '$argon2id$']);
    expect(JSON.stringify([rows, await users.list()])).not.toContain('correct horse');
  });

  it.each([
    ['a name that is taken', ann, 'a password', 'exists'],
    ['a name with a colon', { ...ann, username: 'a:b' }, 'a password', 'bad-user'],
    ['a name with a line break', { ...ann, username: 'a\nb' }, 'a password', 'bad-user'],
    ['no name', { ...ann, username: '' }, 'a password', 'bad-user'],
    ['an address that is none', { ...ann, username: 'x', email: 'example.org' }, 'a password', 'bad-user'],
    ['an empty group', { ...ann, username: 'x', groups: [''] }, 'a password', 'bad-user'],
    ['a short password', { ...ann, username: 'x' }, 'seven77', 'bad-password'],
    ['a long password', { ...ann, username: 'x' }, 'x'.repeat(257), 'bad-password'],
  ])('refuses %s', async (_name, account, password, code) => {
    await expect(users.add({ ...account, password })).rejects.toMatchObject({ code });
  });

  describe('of a provider', () => {
    const cat = { subject: '4711', username: 'cat', fullName: 'Cat', email: 'cat@example.org', groups: ['qa'] };
    const account = ({ subject: _, ...rest }: typeof cat): object => rest;

    it('are told by their subject alone, and keep their first name', async () => {
      expect(await users.signedIn('github', cat)).toEqual(account(cat));
      const renamed = { ...cat, username: 'kitty', email: 'kitty@example.org', groups: ['qa', 'dev'] };
      expect(await users.signedIn('github', renamed)).toEqual({ ...account(renamed), username: 'cat' });
      expect((await users.list()).at(-1)).toMatchObject({ ...account(renamed), username: 'cat', provider: 'github' });
    });

    it.each([
      ['somebody else of the same provider', 'github', '4712', 'cat'],
      ['the same subject of another provider', 'gitlab', '4711', 'cat'],
      ['somebody with the name of an account with a password', 'github', '1', 'ann'],
    ])('are not for %s', async (_name, provider, subject, username) => {
      await users.signedIn('github', cat);
      const taken = users.signedIn(provider, { ...cat, subject, username });
      await expect(taken).rejects.toMatchObject({ code: 'name-taken' });
      expect(await users.list()).toHaveLength(3);
    });

    it('are made once, however many UIs see a person first', async () => {
      const all = await Promise.all(Array.from({ length: 5 }, () => users.signedIn('github', cat)));
      expect(all).toEqual(Array.from({ length: 5 }, () => account(cat)));
      expect(await users.list()).toHaveLength(3);
    });

    it('have no password, and none can be given to them', async () => {
      await users.signedIn('github', cat);
      for (const password of ['', 'correct horse']) expect(await users.check('cat', password)).toBeNull();
      await expect(users.setPassword('cat', 'correct horse')).rejects.toMatchObject({ code: 'no-password' });
      await users.remove('cat');
      expect(await users.list()).toHaveLength(2);
    });

    it.each([
      ['no subject', { ...cat, subject: '' }],
      ['a subject with a space at its end', { ...cat, subject: '4711 ' }],
      ['a long subject', { ...cat, subject: 'x'.repeat(256) }],
      ['a name with a space', { ...cat, username: 'c at' }],
      ['too many groups', { ...cat, groups: Array.from({ length: 501 }, (_, i) => `g${i}`) }],
    ])('refuse %s', async (_name, identity) => {
      await expect(users.signedIn('github', identity)).rejects.toMatchObject({ code: 'bad-user' });
    });
  });

  it('keep a session until it is ended, and store no more than its digest', async () => {
    const secret = await signIn();
    expect(Buffer.from(secret, 'base64url')).toHaveLength(32);
    expect(await sessions.find(secret, HOUR_MS)).toEqual(ann);
    expect(JSON.stringify(await get().db.all(`SELECT * FROM sessions`))).not.toContain(secret);
    expect(await sessions.find(`${secret}x`, HOUR_MS)).toBeNull();
    await sessions.end(secret);
    expect(await sessions.find(secret, HOUR_MS)).toBeNull();
  });

  it('lose sessions that nobody uses, and all at their end', async () => {
    const [idle, over] = [await signIn(), await signIn()];
    const ago = (ms: number, column: string): Promise<unknown> =>
      get().db.run(`UPDATE sessions SET ${column} = ${column} - ?`, [ms]);
    await ago(30_000, 'last_seen_at_ms');
    expect(await sessions.find(idle, 20_000)).toBeNull();
    expect(await sessions.find(idle, 60_000)).toEqual(ann);
    // It has been seen now.
    expect(await sessions.find(idle, 20_000)).toEqual(ann);
    await ago(HOUR_MS, 'expires_at_ms');
    expect(await sessions.find(over, HOUR_MS)).toBeNull();
    await signIn();
    expect(await get().db.get(`SELECT COUNT(*) AS n FROM sessions`)).toEqual({ n: 1 });
  });

  it.each([
    ['another password', (): Promise<void> => users.setPassword('ann', 'another one')],
    ['the removal of the user', (): Promise<void> => users.remove('ann')],
    ['the end of all', (): Promise<number> => sessions.endAll('ann')],
  ])('lose all their sessions by %s, and nobody else theirs', async (_name, end) => {
    const [one, two] = [await signIn(), await signIn()];
    const other = await sessions.begin({ account: bob, signedInBy: 'account', address: '::1', sessionMs: HOUR_MS });
    await end();
    expect([await sessions.find(one, HOUR_MS), await sessions.find(two, HOUR_MS)]).toEqual([null, null]);
    expect(await sessions.find(other, HOUR_MS)).toEqual(bob);
  });

  it('have tokens, until they are revoked, expire, or the user goes', async () => {
    const create = (lifeMs: number | null = null): Promise<string> =>
      tokens.create({ username: 'ann', purpose: 'nightly script', scopes: ['trigger', 'view'], lifeMs });
    const [lasting, short] = [await create(), await create(300)];
    expect(await tokens.find(lasting)).toMatchObject({ account: ann, scopes: ['trigger', 'view'] });
    expect(await tokens.find('mrt_x')).toBeNull();
    await eventually(async () => (await tokens.find(short)) === null, { what: 'the end of a token' });
    const [listed] = await tokens.list();
    expect(listed).toMatchObject({ username: 'ann', purpose: 'nightly script', revokedAtMs: null, expiresAtMs: null });
    expect(listed!.lastUsedAtMs).toBeGreaterThan(0);
    expect(JSON.stringify(await get().db.all(`SELECT * FROM api_tokens`))).not.toContain(lasting);
    await tokens.revoke(listed!.tokenId);
    expect(await tokens.find(lasting)).toBeNull();
    await expect(tokens.revoke(listed!.tokenId)).rejects.toMatchObject({ code: 'not-found' });
    const last = await create();
    await users.remove('ann');
    // An account of the same name is another one.
    await users.add({ ...ann, password: 'correct horse' });
    expect(await tokens.find(last)).toBeNull();
  });

  it.each([
    ['nobody', { username: 'nobody' }, 'not-found'],
    ['no scope', { scopes: [] }, 'bad-token'],
    ['an unknown scope', { scopes: ['everything'] }, 'bad-token'],
    ['no purpose', { purpose: '' }, 'bad-token'],
  ])('refuse a token for %s', async (_name, wrong, code) => {
    const good = { username: 'ann', purpose: 'x', scopes: ['view'], lifeMs: null };
    await expect(tokens.create({ ...good, ...wrong })).rejects.toMatchObject({ code });
  });

  it('refuse what they cannot find', async () => {
    await expect(users.remove('nobody')).rejects.toMatchObject({ code: 'not-found' });
    await expect(users.setPassword('nobody', 'long enough')).rejects.toMatchObject({ code: 'not-found' });
  });
});
