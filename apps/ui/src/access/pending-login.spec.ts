import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { LOGIN_SECONDS, openLogin, sealLogin } from './pending-login.js';
import type { PageProvider } from './providers/kind.js';

const providerOf = (name: string, key = 1): PageProvider =>
  ({ name, sealingKey: new Uint8Array(32).fill(key) }) as unknown as PageProvider;
const provider = providerOf('oidc');
const login = { proofs: { state: 's', nonce: 'n', verifier: 'v' }, target: 'https://ci.example.org/#/builders' };
const over = { code: 'login-over' };

describe('a login that a browser is away for', () => {
  afterEach(() => {
    jest.useRealTimers();
  });
  const atMs = (now: number): unknown =>
    jest.useFakeTimers({ now, doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate', 'setTimeout', 'performance'] });

  it('comes back as it was, and shows nobody what is in it', async () => {
    const sealed = await sealLogin(provider, login);
    expect(await openLogin(provider, sealed, 's')).toEqual(login);
    expect(
      sealed
        .split('.')
        .map((part) => Buffer.from(part, 'base64url').toString())
        .join(),
    ).not.toContain('builders');
    // Browsers keep 4,096 bytes of a cookie.
    const long = { ...login, target: `https://ci.example.org/#/${'x'.repeat(2000)}` };
    expect((await sealLogin(provider, long)).length).toBeLessThan(3_500);
  });

  it.each<[string, (sealed: string) => Promise<unknown>]>([
    ['without a cookie', () => openLogin(provider, null, 's')],
    ['with a cookie that is none', (sealed) => openLogin(provider, `${sealed.slice(0, -2)}AA`, 's')],
    ['with another state', (sealed) => openLogin(provider, sealed, 't')],
    ['without a state', (sealed) => openLogin(provider, sealed, null)],
    ['from another provider with the same secret', (sealed) => openLogin(providerOf('other'), sealed, 's')],
    ['after the secret has changed', (sealed) => openLogin(providerOf('oidc', 2), sealed, 's')],
  ])('is over %s', async (_name, open) => {
    await expect(open(await sealLogin(provider, login))).rejects.toMatchObject(over);
  });

  it('is over after ten minutes', async () => {
    atMs(0);
    const sealed = await sealLogin(provider, login);
    atMs((LOGIN_SECONDS - 1) * 1000);
    expect(await openLogin(provider, sealed, 's')).toEqual(login);
    atMs((LOGIN_SECONDS + 1) * 1000);
    await expect(openLogin(provider, sealed, 's')).rejects.toMatchObject(over);
  });
});
