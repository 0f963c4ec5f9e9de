import { readFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { eventually } from '@millrace/testing';
import { type Scheduler, Site } from './site.js';

const ENV = { FORGE_TOKEN: 'the token' };
const RECORDED = resolve(import.meta.dirname, '../../../libs/config/test/pull-requests');

interface Pull {
  readonly number: number;
  readonly head: { readonly sha: string };
}

/** A server that answers as GitHub's API does, with recorded pull requests. */
class Forge {
  readonly requests: { readonly url: string; readonly headers: IncomingHttpHeaders }[] = [];
  repo = '';
  pulls: Pull[] = [];
  /** Number of files that each pull request changes. */
  files = 0;
  /** Answers the next requests instead. */
  trouble: ((response: ServerResponse) => void) | null = null;
  private readonly template = JSON.parse(readFileSync(resolve(RECORDED, 'github.json'), 'utf8')) as [Pull & object];

  private constructor(private readonly server: Server) {
    server.on('request', ({ url = '', headers }, response) => {
      // The poller of an earlier test may ask until the configuration of this one is in force.
      if (!url.startsWith(`/repos/acme/${this.repo}/`)) return void response.writeHead(404).end();
      this.requests.push({ url, headers });
      if (this.trouble) return this.trouble(response);
      const page = Number(new URL(url, 'http://forge').searchParams.get('page'));
      const all = url.includes('/files?')
        ? Array.from({ length: this.files }, (_, i) => ({ filename: `src/${i}.c` }))
        : this.pulls;
      const body = JSON.stringify(all.slice((page - 1) * 100, page * 100));
      const etag = `"${body.length}-${this.pulls.map(({ head }) => head.sha[0]).join('')}-${page}"`;
      if (headers['if-none-match'] === etag) return void response.writeHead(304, { etag }).end();
      response.writeHead(200, { etag, 'content-type': 'application/json', 'x-ratelimit-remaining': '50' }).end(body);
    });
  }

  static async start(): Promise<Forge> {
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    return new Forge(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  open(number: number, sha: string): Pull {
    const [pull] = structuredClone(this.template);
    return { ...pull, number, head: { ...pull.head, sha: sha.repeat(40) } };
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
  }
}

let made = 0;

describe('a poller of pull requests', () => {
  let site: Site;
  let forge: Forge;
  let scheduler: Scheduler;
  let name = '';
  let before = 0;
  beforeAll(async () => {
    forge = await Forge.start();
    site = await Site.make();
    site.configure({});
    scheduler = await site.start('one', ENV);
  });
  afterAll(async () => {
    await site.close();
    await forge.close();
  });
  beforeEach(async () => {
    before = (await site.db.get<{ id: number }>(`SELECT COALESCE(MAX(id), 0) AS id FROM changes`))!.id;
    forge.pulls = [forge.open(1, 'a')];
    forge.files = 0;
    forge.trouble = null;
    forge.requests.length = 0;
  });

  /** Configures a poller of its own for a test: it remembers nothing of earlier ones. */
  const start = async (options = ''): Promise<void> => {
    forge.repo = name = `p${(made += 1)}`;
    site.configure({
      changeSources: `githubPullRequestPoller({ name: '${name}', owner: 'acme', repo: '${name}', apiUrl: '${forge.url}',
        tokenEnv: 'FORGE_TOKEN', pollIntervalSeconds: 0.2, ${options} })`,
    });
    process.kill(scheduler.process.pid!, 'SIGHUP');
  };
  const changes = (): Promise<{ revision: string; branch: string }[]> =>
    site.db.all(`SELECT revision, branch FROM changes WHERE id > ? ORDER BY seq`, [before]);
  const heads = async (): Promise<string[]> => (await changes()).map(({ revision }) => revision[0]!);
  const taken = (expected: string) =>
    eventually(async () => (await heads()).join('') === expected, {
      what: `the changes ${expected}`,
      timeoutMs: 40_000,
    });
  const source = () =>
    site.db.get<{ state: string | null; error: string | null }>(
      `SELECT state, error FROM change_sources WHERE name = ?`,
      [name],
    );
  const becomes = (state: string, error: RegExp | null) =>
    eventually(
      async () => {
        const now = await source();
        return now?.state === state && (error === null ? now.error === null : error.test(now.error ?? ''));
      },
      { what: `${state} ${error}`, timeoutMs: 40_000 },
    );
  /** Waits until the forge was asked again, so that what it answered has been looked at. */
  const askedAgain = async (): Promise<void> => {
    const before = forge.requests.length;
    await eventually(() => forge.requests.length >= before + 3, { what: 'more requests', timeoutMs: 40_000 });
  };

  it('makes one change of each head, the oldest first, and asks only for what is new', async () => {
    forge.pulls = [forge.open(2, 'b'), forge.open(1, 'a')];
    await start();
    await taken('ab');
    await askedAgain();
    expect(forge.requests.at(-1)!.headers).toMatchObject({
      'if-none-match': expect.any(String) as unknown,
      authorization: 'Bearer the token',
    });
    forge.pulls = [forge.open(1, 'c'), forge.open(2, 'b')];
    await taken('abc');
    await becomes('ok', null);
    // It is closed, and opened again with the same head.
    forge.pulls = [forge.open(2, 'b')];
    await askedAgain();
    forge.pulls = [forge.open(1, 'c'), forge.open(2, 'b')];
    await askedAgain();
    await askedAgain();
    expect(await heads()).toEqual(['a', 'b', 'c']);
  });

  it('makes no change twice after a restart, and misses none', async () => {
    await start();
    await taken('a');
    await scheduler.process.stop();
    forge.pulls = [forge.open(2, 'b'), forge.open(1, 'a')];
    scheduler = await site.start('two', ENV);
    await taken('ab');
  });

  it('makes one change of each head with two schedulers, whichever of them goes', async () => {
    forge.pulls = [];
    const other = await site.start('beside', ENV);
    await start();
    process.kill(other.process.pid!, 'SIGHUP');
    await becomes('ok', null);
    const all = [...'abcdefghij'];
    for (const [i, head] of all.entries()) {
      forge.pulls = [forge.open(1 + i, head), ...forge.pulls];
      // The owner goes in the middle, and the other one takes over.
      if (i === 5) await scheduler.process.stop();
      await taken(all.slice(0, i + 1).join(''));
    }
    scheduler = other;
    await askedAgain();
    expect(await heads()).toEqual(all);
  }, 180_000);

  it('reads all pages', async () => {
    forge.pulls = Array.from({ length: 230 }, (_, i) => forge.open(230 - i, 'a'));
    await start();
    await eventually(async () => (await changes()).length === 230, { what: 'all of them', timeoutMs: 40_000 });
    expect(forge.requests.slice(0, 3).map(({ url }) => url.replace(/.*&/, ''))).toEqual(['page=1', 'page=2', 'page=3']);
  });

  it('names the files of a pull request, as many as fit on ten pages', async () => {
    forge.files = 1_050;
    await start('files: true');
    await taken('a');
    const row = await site.db.get<{ files: string }>(`SELECT files FROM changes WHERE id > ?`, [before]);
    expect(JSON.parse(row!.files)).toEqual(Array.from({ length: 1_000 }, (_, i) => `src/${i}.c`));
    const asked = forge.requests.filter(({ url }) => url.includes('/pulls/1/files?'));
    expect(asked.map(({ url }) => url.replace(/.*&page=/, '')).slice(0, 10)).toEqual(
      Array.from({ length: 10 }, (_, i) => `${i + 1}`),
    );
    expect(asked).toHaveLength(10);
  });

  it('builds only what goes into its branches, and what the filter takes', async () => {
    forge.pulls = [forge.open(2, 'b'), forge.open(1, 'a')];
    await start(`branches: ['main'], pullRequestFilter: (pull) => pull.number === 2`);
    await taken('b');
    await becomes('ok', null);
  });

  it.each<[string, (response: ServerResponse) => void, RegExp]>([
    ['an error', (response) => void response.writeHead(500).end('oops'), /answered with 500/],
    [
      'half a page',
      (response) =>
        void (response.writeHead(200, { 'content-length': '900' }).write('[{'), setImmediate(() => response.destroy())),
      /cannot be read/,
    ],
    ['no JSON', (response) => void response.end('<html>'), /JSON/],
    ['something else', (response) => void response.end('{}'), /not answered with a list/],
    [
      'a redirect',
      (response) => void response.writeHead(301, { location: 'http://elsewhere.invalid' }).end(),
      /it has moved/,
    ],
    ['a bad token', (response) => void response.writeHead(401).end(), /see tokenEnv/],
  ])('says that it fails after %s, stores nothing, and goes on', async (_what, trouble, error) => {
    forge.trouble = trouble;
    await start();
    await becomes('failing', error);
    const metrics = await (await fetch(`${scheduler.url}/metrics`)).text();
    expect(metrics).toMatch(/millrace_change_source_failing\{[^}]*source="p\d+"[^}]*\} 1/);
    expect(await (await fetch(`${scheduler.url}/readyz`)).text()).toContain("change source 'p");
    expect(await changes()).toEqual([]);
    forge.trouble = null;
    await taken('a');
    await becomes('ok', null);
  });

  it('leaves the forge alone when its rate limit is used up', async () => {
    const resetAt = Math.ceil(Date.now() / 1000) + 3;
    forge.trouble = (response) =>
      void response
        .writeHead(403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(resetAt) })
        .end('{"message":"API rate limit exceeded"}');
    await start();
    await becomes('failing', /rate limit is used up until/);
    forge.trouble = null;
    await taken('a');
    expect(Date.now() / 1000).toBeGreaterThanOrEqual(resetAt - 0.1);
  });

  it('says for which pull requests the filter fails, and makes changes of the others', async () => {
    forge.pulls = [forge.open(2, 'b'), forge.open(1, 'a')];
    await start(
      `pullRequestFilter: ({ number }) => { if (number === 1) throw new Error('not this one'); return true; }`,
    );
    await taken('b');
    await becomes('partial', /pull request 1 \(.*not this one/);
  });
});
