import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** What GitHub says about whoever signs in. */
export interface GithubPerson {
  readonly id: number;
  readonly login: string;
  readonly name: string | null;
  readonly emails: readonly { readonly email: string; readonly primary: boolean; readonly verified: boolean }[];
  readonly organisations: readonly string[];
  readonly teams: readonly (readonly [organisation: string, slug: string])[];
}

/** A server that answers as GitHub does where somebody signs in. */
export interface FakeGithub {
  readonly url: string;
  readonly clientSecret: string;
  person: GithubPerson;
  /** What it does instead of answering. */
  mood: 'well' | 'hanging' | 'broken' | 'talkative';
  /** Addresses that were asked for, and how. */
  readonly asked: {
    readonly path: string;
    readonly authorization: string | undefined;
    readonly body: URLSearchParams;
  }[];
  stop(): Promise<void>;
}

const TOKEN = 'gho_16C7e42F292c6912E7710c838347Ae178B4a';
export const CODE = 'a-code';

export async function startFakeGithub(person: GithubPerson): Promise<FakeGithub> {
  const server = createServer((request, response) => {
    void (async () => {
      const { pathname, searchParams } = new URL(request.url!, 'http://localhost');
      const body = new URLSearchParams(await text(request));
      const { authorization } = request.headers;
      fake.asked.push({ path: pathname, authorization, body });
      const send = (status: number, value: unknown): void =>
        void response
          .writeHead(status, { 'content-type': 'application/json; charset=utf-8' })
          .end(JSON.stringify(value));
      if (fake.mood === 'hanging') return;
      if (fake.mood === 'broken') return send(502, { message: 'Unicorn' });
      if (fake.mood === 'talkative') return send(200, { message: 'x'.repeat(2 << 20) });
      if (pathname === '/login/oauth/access_token') {
        const isRight = body.get('code') === CODE && body.get('client_secret') === fake.clientSecret;
        return isRight
          ? send(200, { access_token: TOKEN, scope: 'read:org,user:email', token_type: 'bearer' })
          : send(200, {
              error: 'bad_verification_code',
              error_description: 'The code passed is incorrect or expired.',
            });
      }
      if (authorization !== `Bearer ${TOKEN}`) return send(401, { message: 'Bad credentials' });
      const page = (items: readonly unknown[]): void => {
        const [size, number] = [Number(searchParams.get('per_page')), Number(searchParams.get('page'))];
        send(200, items.slice(size * (number - 1), size * number));
      };
      const { id, login, name, emails, organisations, teams } = fake.person;
      switch (pathname) {
        case '/api/v3/user':
          return send(200, { login, id, node_id: 'MDQ6VXNlcjE=', type: 'User', name, email: null });
        case '/api/v3/user/emails':
          return page(emails.map((email) => ({ ...email, visibility: 'private' })));
        case '/api/v3/user/orgs':
          return page(organisations.map((one, i) => ({ login: one, id: i, description: '' })));
        case '/api/v3/user/teams':
          return page(
            teams.map(([organisation, slug], i) => ({
              id: i,
              slug,
              name: slug,
              organization: { login: organisation },
            })),
          );
        default:
          return send(404, { message: 'Not Found' });
      }
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const fake: FakeGithub = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ clientSecret: 'of-the-client', person, mood: 'well', asked: [] },
    stop: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error ? reject(error) : resolve()));
        server.closeAllConnections();
      }),
  };
  return fake;
}
