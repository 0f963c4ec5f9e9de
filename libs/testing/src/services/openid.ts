import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Provider } from 'oidc-provider';

export interface OpenIdOptions {
  /** The claims of people, by the names that they sign in with. Every password is right. */
  readonly people: Readonly<Record<string, object>>;
}

/** A provider of OpenID Connect with a page to sign in. */
export interface OpenId {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Lets it send browsers back to an address. */
  allow(callback: string): void;
  /** Makes it publish another key than the one that it signs with, or the right one. */
  publishWrongKey(isWrong: boolean): void;
  /**
   * Signs in at its page as a browser would.
   * @param url where the browser is sent
   * @returns where the browser is sent back to
   */
  signIn(url: string, name: string): Promise<string>;
  stop(): Promise<void>;
}

const FORM = `<!doctype html><meta charset="utf-8"><title>Provider</title>
<form method="post"><label>Name at the provider <input name="name" required></label><button>Continue</button></form>`;
const SCOPES = 'openid profile email';

/** Starts a provider on this machine: for browsers it is on another site than `127.0.0.1`. */
export async function startOpenId({ people }: OpenIdOptions): Promise<OpenId> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://localhost:${(server.address() as AddressInfo).port}`;
  const client = { clientId: 'millrace', clientSecret: randomBytes(16).toString('hex') };
  const right = newKey();
  const allowed = new Set<string>();
  let publishesWrongKey = false;
  const provider = new Provider(issuer, {
    clients: [{ client_id: client.clientId, client_secret: client.clientSecret, redirect_uris: [`${issuer}/unused`] }],
    claims: {
      openid: ['sub'],
      profile: ['name', 'preferred_username', 'nickname', 'groups'],
      email: ['email', 'email_verified'],
    },
    cookies: { keys: [randomBytes(16).toString('hex')] },
    jwks: { keys: [right.key] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
    findAccount: (_: unknown, name: string) => {
      const claims = people[name];
      return claims && { accountId: name, claims: () => ({ sub: `id-of-${name}`, ...claims }) };
    },
    loadExistingGrant: async ({ oidc }: Parameters<Parameters<Provider['use']>[0]>[0]) => {
      const grant = new oidc.provider.Grant({ clientId: oidc.client.clientId, accountId: oidc.session.accountId });
      grant.addOIDCScope(SCOPES);
      await grant.save();
      return grant;
    },
  });
  provider.Client.prototype.redirectUriAllowed = (callback) => allowed.has(callback);
  provider.use(async (context, next) => {
    await next();
    if (publishesWrongKey && context.path === '/jwks') context.body = { keys: [newKey().publicKey] };
  });
  const answer = provider.callback();
  server.on('request', (request, response) => {
    if (request.url?.startsWith('/interaction/')) void interact(provider, request, response);
    else answer(request, response);
  });
  return {
    ...{ issuer, ...client },
    allow: (callback) => void allowed.add(callback),
    publishWrongKey: (isWrong) => (publishesWrongKey = isWrong),
    signIn: (url, name) => signInAt(url, name, issuer),
    stop: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
}

function newKey(): { readonly key: object; readonly publicKey: object } {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const common = { kid: 'test', alg: 'RS256', use: 'sig' };
  return {
    key: { ...privateKey.export({ format: 'jwk' }), ...common },
    publicKey: { ...publicKey.export({ format: 'jwk' }), ...common },
  };
}

async function interact(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method !== 'POST') {
    response.setHeader('content-type', 'text/html').end(FORM);
    return;
  }
  const name = new URLSearchParams(await text(request)).get('name') ?? '';
  const refused = { error: 'access_denied', error_description: 'not today' };
  await provider.interactionFinished(request, response, name === 'refused' ? refused : { login: { accountId: name } });
}

/** Follows the provider's redirects with its cookies, and sends its form. */
async function signInAt(url: string, name: string, issuer: string): Promise<string> {
  const cookies = new Map<string, string>();
  let at = url;
  for (let step = 0; step < 10; step++) {
    const isForm = at.includes('/interaction/');
    const answer = await fetch(at, {
      ...{ redirect: 'manual', headers: { cookie: [...cookies].map((pair) => pair.join('=')).join('; ') } },
      ...(isForm && { method: 'POST', body: new URLSearchParams({ name }) }),
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [, key, value] = /^([^=]+)=([^;]*)/.exec(cookie)!;
      cookies.set(key!, value!);
    }
    const location = answer.headers.get('location');
    if (location === null) throw new Error(`${at} answers ${answer.status}: ${await answer.text()}`);
    at = new URL(location, at).href;
    if (!at.startsWith(issuer)) return at;
  }
  throw new Error(`the provider leads nowhere: ${at}`);
}
