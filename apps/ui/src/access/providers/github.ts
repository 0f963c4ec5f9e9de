import type { CompiledGithub } from '@millrace/contracts';
import type { Identity } from '@millrace/database';
import { parseJson } from '@millrace/domain';
import * as client from 'openid-client';
import { AuthorizationCode, clientAuth, limit } from './authorization-code.js';
import { badAnswer, refused, unavailable } from './errors.js';
import type { PageProvider, ProviderEnvironment, ProviderKind } from './kind.js';
import { limitedFetch } from './limited-fetch.js';

const ANSWER_LIMITS = { maxDepth: 10, maxValues: 100_000, maxCharacters: 1 << 20 };
const PER_PAGE = 100;
/** Most pages of a list that are read. */
const MOST_PAGES = 10;

/** GitHub: OAuth2 by a code, and its API for who it is. Organisations are groups, and teams as `ORGANISATION/TEAM`. */
export const github: ProviderKind<CompiledGithub> = {
  kind: 'github',
  make(compiled: CompiledGithub, environment: ProviderEnvironment): PageProvider {
    const { kind, name, label, icon, autologin } = compiled;
    const { answerMs } = environment;
    const options = { ...compiled, scope: 'read:org user:email', hasNonce: false };
    const code = new AuthorizationCode(options, environment, ({ secret }) =>
      Promise.resolve(configurationOf(compiled, secret, answerMs)),
    );
    return {
      ...{ asks: 'page', kind, name, label, icon, autologin, sealingKey: code.sealingKey },
      begin: (callback) => code.begin(callback),
      finish: (answer, proofs) =>
        code.finish(answer, proofs, (_, { access_token: token }) =>
          readIdentity(compiled, new Api(compiled, token, answerMs)),
        ),
    };
  },
};

function configurationOf({ url, clientId }: CompiledGithub, secret: string, answerMs: number): client.Configuration {
  const server = {
    issuer: url,
    authorization_endpoint: `${url}/login/oauth/authorize`,
    token_endpoint: `${url}/login/oauth/access_token`,
    token_endpoint_auth_methods_supported: ['client_secret_post'],
  };
  const configuration = new client.Configuration(server, clientId, undefined, clientAuth(secret));
  limit(configuration, answerMs);
  configuration[client.customFetch] = async (address, options) => withStatus(await limitedFetch(address, options));
  return configuration;
}

/** Gives an answer the status that it ought to have: GitHub says what is wrong with 200. */
async function withStatus(response: Response): Promise<Response> {
  const { status, headers } = response;
  const body = await response.text();
  return new Response(body, { status: status === 200 && /^\s*\{\s*"error"/.test(body) ? 400 : status, headers });
}

async function readIdentity({ name, organisations, teams }: CompiledGithub, api: Api): Promise<Identity> {
  const user = await api.get('/user');
  const { id, login, name: fullName } = (user ?? {}) as Record<string, unknown>;
  if (typeof id !== 'number' || typeof login !== 'string') throw badAnswer(name, 'it does not say who you are');
  const wanted = new Set(organisations.map((one) => one.toLowerCase()));
  const isWanted = (organisation: string): boolean => wanted.size === 0 || wanted.has(organisation.toLowerCase());
  const own = (await api.list('/user/orgs')).map((one) => textOf(name, one, 'login')).filter(isWanted);
  if (wanted.size > 0 && own.length === 0)
    throw refused(name, `you are in none of the organisations ${organisations.join(', ')}, or did not let it say so`);
  const ownTeams = teams ? await api.list('/user/teams') : [];
  const emails = await api.list('/user/emails');
  const email = emails.find((one) => one['primary'] === true && one['verified'] === true);
  return {
    subject: String(id),
    username: login,
    fullName: typeof fullName === 'string' && fullName !== '' ? fullName : null,
    email: email === undefined ? null : textOf(name, email, 'email'),
    groups: [
      ...own,
      ...ownTeams.flatMap((team) => {
        const organisation = textOf(name, team['organization'], 'login');
        return isWanted(organisation) ? [`${organisation}/${textOf(name, team, 'slug')}`] : [];
      }),
    ],
  };
}

function textOf(provider: string, item: unknown, key: string): string {
  const value = typeof item === 'object' && item !== null ? (item as Record<string, unknown>)[key] : undefined;
  if (typeof value === 'string') return value;
  throw badAnswer(provider, `'${key}' is missing in an answer of its API`);
}

/** GitHub's API with somebody's token, which is forgotten afterwards. */
class Api {
  constructor(
    private readonly compiled: CompiledGithub,
    private readonly token: string,
    private readonly answerMs: number,
  ) {}

  async get(path: string): Promise<unknown> {
    const { name, apiUrl } = this.compiled;
    const headers = {
      accept: 'application/vnd.github+json',
      authorization: `Bearer ${this.token}`,
      'user-agent': 'Millrace',
    };
    const signal = AbortSignal.timeout(this.answerMs);
    const answered = await limitedFetch(`${apiUrl}${path}`, { headers, signal, redirect: 'error' }).then(
      async (response) => ({ response, text: await response.text() }),
      (error: unknown) => Promise.reject(unavailable(name, error)),
    );
    const { response, text } = answered;
    if (response.status >= 500) throw unavailable(name, new Error(`status ${response.status}`));
    if (!response.ok) throw badAnswer(name, `its API answers ${path} with status ${response.status}`);
    try {
      return parseJson(text, ANSWER_LIMITS, 'the answer');
    } catch (cause) {
      throw badAnswer(name, `its API answers ${path} with something that cannot be read`, cause);
    }
  }

  /** Reads a list. One that goes on after the pages that are read is refused, because groups would be missing. */
  async list(path: string): Promise<readonly Record<string, unknown>[]> {
    const { name } = this.compiled;
    const items: Record<string, unknown>[] = [];
    for (let page = 1; page <= MOST_PAGES; page++) {
      const found = await this.get(`${path}?per_page=${PER_PAGE}&page=${page}`);
      if (!Array.isArray(found)) throw badAnswer(name, `its API answers ${path} with something that is no list`);
      items.push(...(found as Record<string, unknown>[]));
      if (found.length < PER_PAGE) return items;
    }
    throw badAnswer(name, `its API answers ${path} with more than ${MOST_PAGES * PER_PAGE} entries`);
  }
}
