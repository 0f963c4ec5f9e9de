import type { CompiledOidc } from '@millrace/contracts';
import type { Identity } from '@millrace/database';
import * as client from 'openid-client';
import { AuthorizationCode, clientAuth, limit } from './authorization-code.js';
import { identityOf } from './claims.js';
import type { PageProvider, ProviderEnvironment, ProviderKind } from './kind.js';
import { limitedFetch } from './limited-fetch.js';

/** Time after which a provider is asked again what it can do. */
const BELIEVED_MS = 3_600_000;

/** OpenID Connect: by a code, with PKCE, state and nonce. The provider's signature is checked although the token comes from it directly. */
export const oidc: ProviderKind<CompiledOidc> = {
  kind: 'oidc',
  make(compiled: CompiledOidc, environment: ProviderEnvironment): PageProvider {
    const { kind, name, label, icon, autologin, scopes } = compiled;
    let known: { readonly configuration: Promise<client.Configuration>; readonly atMs: number } | null = null;
    const connect = ({ secret }: AuthorizationCode): Promise<client.Configuration> => {
      const nowMs = performance.now();
      if (known === null || nowMs - known.atMs > BELIEVED_MS) {
        const asked = { configuration: discovered(compiled, secret, environment.answerMs), atMs: nowMs };
        known = asked;
        asked.configuration.catch(() => (known = known === asked ? null : known));
      }
      return known.configuration;
    };
    const code = new AuthorizationCode({ ...compiled, scope: scopes.join(' '), hasNonce: true }, environment, connect);
    return {
      ...{ asks: 'page', kind, name, label, icon, autologin, sealingKey: code.sealingKey },
      begin: (callback) => code.begin(callback),
      finish: (answer, proofs) =>
        code.finish(answer, proofs, async (configuration, tokens): Promise<Identity> => {
          const claims = tokens.claims()!;
          const more = configuration.serverMetadata().userinfo_endpoint
            ? await client.fetchUserInfo(configuration, tokens.access_token, claims.sub)
            : {};
          return identityOf(compiled, { ...claims, ...more });
        }),
    };
  },
};

function discovered(
  { issuer, clientId }: CompiledOidc,
  secret: string,
  answerMs: number,
): Promise<client.Configuration> {
  const isPlain = issuer.startsWith('http:');
  return client.discovery(new URL(issuer), clientId, undefined, clientAuth(secret), {
    timeout: answerMs / 1000,
    [client.customFetch]: (url, options) => limitedFetch(url, options),
    execute: [
      ...(isPlain ? [client.allowInsecureRequests] : []),
      client.enableNonRepudiationChecks,
      (made) => limit(made, answerMs),
    ],
  });
}
