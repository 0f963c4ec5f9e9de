import { hkdfSync } from 'node:crypto';
import type { PageProviderCommon } from '@millrace/contracts';
import { MillraceError } from '@millrace/domain';
import * as client from 'openid-client';
import { badAnswer, refused, secretOf, unavailable } from './errors.js';
import type { BegunLogin, LoginProofs, ProviderEnvironment } from './kind.js';
import { limitedFetch } from './limited-fetch.js';

/** Error codes of the library after which the same may work later. Without a code, there was no answer. */
const PASSING = new Set<unknown>([undefined, 'OAUTH_TIMEOUT', 'OAUTH_ABORT', 'OAUTH_RESPONSE_IS_NOT_CONFORM']);

/** Error codes that are about the configuration, not about the person. */
const OF_THE_CLIENT = new Set(['invalid_client', 'unauthorized_client', 'invalid_scope', 'invalid_request']);

/** What both ends of a login by a code need. `connect` is asked when the provider is needed, so that a UI starts without it. */
export class AuthorizationCode {
  readonly sealingKey: Uint8Array;
  readonly secret: string;

  constructor(
    readonly options: PageProviderCommon & { readonly scope: string; readonly hasNonce: boolean },
    { env }: ProviderEnvironment,
    private readonly connect: (code: AuthorizationCode) => Promise<client.Configuration>,
  ) {
    this.secret = secretOf(options.name, options.clientSecretEnv, env);
    this.sealingKey = new Uint8Array(hkdfSync('sha256', this.secret, options.name, 'millrace pending login', 32));
  }

  async begin(callback: string): Promise<BegunLogin> {
    const configuration = await this.attempt(() => this.connect(this));
    const proofs = {
      state: client.randomState(),
      nonce: client.randomNonce(),
      verifier: client.randomPKCECodeVerifier(),
    };
    const url = client.buildAuthorizationUrl(configuration, {
      ...{ redirect_uri: callback, scope: this.options.scope, state: proofs.state },
      ...(this.options.hasNonce && { nonce: proofs.nonce }),
      ...{ code_challenge: await client.calculatePKCECodeChallenge(proofs.verifier), code_challenge_method: 'S256' },
    });
    return { url, proofs };
  }

  /** Exchanges the code, and hands the tokens to `read`. */
  finish<T>(
    answer: URL,
    { state, nonce, verifier }: LoginProofs,
    read: (configuration: client.Configuration, tokens: Tokens) => Promise<T>,
  ): Promise<T> {
    return this.attempt(async () => {
      const configuration = await this.connect(this);
      const tokens = await client.authorizationCodeGrant(configuration, answer, {
        ...{ expectedState: state, pkceCodeVerifier: verifier },
        ...(this.options.hasNonce && { expectedNonce: nonce, idTokenExpected: true }),
      });
      return read(configuration, tokens);
    });
  }

  private async attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw error instanceof MillraceError ? error : failureOf(this.options.name, error);
    }
  }
}

export type Tokens = Awaited<ReturnType<typeof client.authorizationCodeGrant>>;

/** Sends the client's secret the way that a provider takes it. */
export function clientAuth(secret: string): client.ClientAuth {
  const [post, basic] = [client.ClientSecretPost(secret), client.ClientSecretBasic(secret)];
  return (server, ...rest) =>
    (server.token_endpoint_auth_methods_supported?.includes('client_secret_post') ? post : basic)(server, ...rest);
}

/** Sets what every connection to a provider has. */
export function limit(configuration: client.Configuration, answerMs: number): void {
  configuration.timeout = answerMs / 1000;
  configuration[client.customFetch] = (url, options) => limitedFetch(url, options);
  // The configuration lets an address be plain http on this machine only.
  if (configuration.serverMetadata().issuer.startsWith('http:')) client.allowInsecureRequests(configuration);
}

/** Says what an error of the library means. Its answers and tokens are in no text. */
function failureOf(name: string, error: unknown): MillraceError {
  if (error instanceof client.AuthorizationResponseError || error instanceof client.ResponseBodyError) {
    const why = [error.error, error.error_description].filter(Boolean).join(': ');
    return OF_THE_CLIENT.has(error.error) ? badAnswer(name, why, error) : refused(name, why);
  }
  if (error instanceof client.ClientError && !PASSING.has(error.code)) {
    const { cause } = error;
    const why =
      cause instanceof Error && cause.message !== error.message ? `${error.message}: ${cause.message}` : error.message;
    return badAnswer(name, why, error);
  }
  return unavailable(name, error instanceof Error && error.cause instanceof Error ? error.cause : error);
}
