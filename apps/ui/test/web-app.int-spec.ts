import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startUi, type UiServer } from './server.js';
import { Site } from './site.js';

const WEB = fileURLToPath(new URL('../../web/dist', import.meta.url));

/** Sends a request with the path unchanged, because other clients normalise addresses. */
async function get(ui: UiServer, path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  const { port, host } = new URL(ui.url);
  const socket = connect(Number(port), '127.0.0.1');
  const lines = Object.entries({ host, connection: 'close', ...headers }).map(([name, value]) => `${name}: ${value}`);
  socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  const answer = await text(socket.setEncoding('latin1'));
  const end = answer.indexOf('\r\n\r\n');
  const [status = '', ...rest] = answer.slice(0, end).split('\r\n');
  return {
    status: Number(status.split(' ')[1]),
    headers: Object.fromEntries(
      rest.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)]),
    ),
    body: Buffer.from(answer.slice(end + 4), 'latin1'),
  };
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Buffer;
}

describe('the files of the web app', () => {
  let site: Site;
  let ui: UiServer;
  let script: string;

  beforeAll(async () => {
    if (!existsSync(`${WEB}/index.html`)) throw new Error('the web app is not built: npm run build');
    script = `/assets/${readdirSync(`${WEB}/assets`).find((name) => name.endsWith('.js'))!}`;
    site = await Site.onSqlite();
    ui = await startUi(site, { webFolder: WEB });
  });
  afterAll(async () => {
    await ui.close();
    await site.close();
  });

  it.each([
    '/',
    '/waterfall?tag=a',
    '/builders/1/builds/2',
    '/builders/lib.so/builds/2',
    '/builders/lib.so',
    '/builders/a%2Fb.txt/builds/1',
    '/builders/%E2%82%AC',
    '/builds/17',
    '/requests/01a201d3-4309-7317-a4e2-c55e56ab3f7c',
  ])('%s is a page, which is asked for again and runs nothing from elsewhere', async (path) => {
    const { status, headers, body } = await get(ui, path);
    expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(body.toString()).toContain('<div id="root" data-path="">');
    expect(headers).toMatchObject({
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
    });
    expect(headers['content-security-policy']).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
    expect((await get(ui, path, { 'if-none-match': headers.etag! })).status).toBe(304);
  });

  it('assets are cached for ever, and compressed for clients that accept it', async () => {
    const plain = await get(ui, script);
    expect(plain.status).toBe(200);
    expect(plain.headers['content-type']).toMatch(/javascript; charset=utf-8$/);
    expect(plain.headers).toMatchObject({
      'cache-control': 'public, max-age=31536000, immutable',
      'x-content-type-options': 'nosniff',
      vary: 'accept-encoding',
    });
    for (const [accepted, encoding, decompress] of [
      ['gzip, deflate, br', 'br', brotliDecompressSync],
      ['gzip', 'gzip', gunzipSync],
    ] as const) {
      const answer = await get(ui, script, { 'accept-encoding': accepted });
      expect(answer.headers).toMatchObject({
        'content-encoding': encoding,
        'content-type': plain.headers['content-type'],
        'cache-control': 'public, max-age=31536000, immutable',
        vary: 'accept-encoding',
      });
      expect(decompress(answer.body).equals(plain.body)).toBe(true);
      expect(answer.body.length).toBeLessThan(plain.body.length / 2);
    }
    const head = await get(ui, script, {}, 'HEAD');
    expect([head.status, head.headers['content-length'], head.body.length]).toEqual([
      200,
      String(plain.body.length),
      0,
    ]);
    expect((await get(ui, script, { 'if-none-match': plain.headers.etag! })).status).toBe(304);
  });

  it.each([
    ...['/auth', '/config/x', '/ws/x', '/badges', '/metrics/x', '/config.json'].map((path) => ['GET', path] as const),
    ['POST', '/avatar'] as const,
  ])('%s %s is no page: programs get an error that they can read', async (method, path) => {
    const { status, headers, body } = await get(ui, path, {}, method);
    expect([status, headers['content-type']]).toEqual([404, 'application/json; charset=utf-8']);
    expect(JSON.parse(body.toString())).toMatchObject({
      code: 'invalid-path',
      error: expect.stringMatching(/nothing/),
    });
  });

  it('answers every route of the app as a page that there is', async () => {
    const source = readFileSync(fileURLToPath(new URL('../../web/src/app.tsx', import.meta.url)), 'utf8');
    const routes = [...source.matchAll(/path="(\/[^"]*)"/g)].map(([, path]) => path!.replace(/:\w+|\*/g, '1'));
    expect(routes).toContain('/configuration');
    for (const path of routes) expect([path, (await get(ui, path)).status]).toEqual([path, 200]);
  });

  it('answers a wrong address with 404, and the page that says so', async () => {
    for (const path of ['/nosuchfile', '/plugins', '/plugins/nope/scripts.js', '/buildersx']) {
      const { status, headers, body } = await get(ui, path);
      expect([path, status, headers['content-type']]).toEqual([path, 404, 'text/html; charset=utf-8']);
      expect(body.includes('<div id="root"')).toBe(true);
    }
    for (const path of ['/', '/builders/1/builds/2', '/requests/x', '/waterfall?project=x'])
      expect([path, (await get(ui, path)).status]).toEqual([path, 200]);
  });

  it('asks for an upgrade where only WebSockets are answered', async () => {
    expect((await get(ui, '/ws')).status).toBe(426);
  });

  it('icons are files beside the pages', async () => {
    const { status, headers } = await get(ui, '/icon.svg', { 'accept-encoding': 'br' });
    expect([status, headers['content-type'], headers['cache-control']]).toEqual([200, 'image/svg+xml', 'no-cache']);
  });

  it.each([
    ['/assets/no-such.js', 404],
    ['/assets/', 403],
    ['/favicon.ico', 404],
    ['/robots.txt', 404],
    ['/index.php', 404],
  ])('%s is not there: %d', async (path, expected) => {
    const { status, body } = await get(ui, path);
    expect([status, body.includes('<div id="root">')]).toEqual([expected, false]);
  });
});

describe("Buildbot's own frontend", () => {
  let site: Site;
  let ui: UiServer;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-stock-'));
    mkdirSync(join(folder, 'buildbot_www/static/assets'), { recursive: true });
    mkdirSync(join(folder, 'buildbot_grid_view/static'), { recursive: true });
    writeFileSync(join(folder, 'secret.txt'), 'SECRET');
    writeFileSync(join(folder, 'buildbot_www/static/index.html'), 'the stock page');
    writeFileSync(join(folder, 'buildbot_www/static/icon.svg'), '<svg/>');
    writeFileSync(join(folder, 'buildbot_grid_view/static/scripts.js'), 'grid');
    site = await Site.onSqlite();
    ui = await startUi(site, {
      webFolder: WEB,
      publicUrl: 'http://ci.example.invalid/ci',
      policy: { www: { stockFrontend: folder } },
    });
  });
  afterAll(async () => {
    await ui.close();
    await site.close();
    rmSync(folder, { recursive: true });
  });

  it('is below a path of its own, with its views', async () => {
    const root = await get(ui, '/ci/buildbot');
    expect([root.status, root.headers['location']]).toEqual([302, 'http://ci.example.invalid/ci/buildbot/']);
    for (const base of ['/buildbot', '/ci/buildbot']) {
      expect((await get(ui, `${base}/`)).body.toString()).toBe('the stock page');
      expect((await get(ui, `${base}//icon.svg`)).headers['content-type']).toBe('image/svg+xml');
      expect((await get(ui, `${base}/plugins/grid_view/scripts.js`)).body.toString()).toBe('grid');
    }
    const config = JSON.parse((await get(ui, '/buildbot/config')).body.toString()) as unknown;
    expect(config).toMatchObject({
      buildbotURL: 'http://ci.example.invalid/ci/buildbot/',
      plugins: { grid_view: {} },
      auth: { name: 'NoAuth' },
    });
  });

  it('finds the API beside itself, and is where a logout leads', async () => {
    const { status, body } = await get(ui, '/ci/buildbot/api/v2/masters', { accept: 'application/json' });
    expect([status, JSON.parse(body.toString())]).toMatchObject([200, { masters: [{ masterid: 1 }] }]);
    const out = await get(ui, '/ci/buildbot/auth/logout?redirect=/builders');
    expect(out.headers['location']).toBe('http://ci.example.invalid/ci/buildbot/#/builders');
  });

  it.each([
    '../secret.txt',
    '..%2f..%2f..%2fsecret.txt',
    'plugins/grid_view/../../../secret.txt',
    'plugins/x/y',
    'none.js',
  ])('shows nothing else: %s', async (path) => {
    const { status, body } = await get(ui, `/buildbot/${path}`);
    expect(body.toString()).not.toContain('SECRET');
    expect(status).toBeGreaterThanOrEqual(400);
  });
});

describe('a folder with other files beside the web app', () => {
  let site: Site;
  let ui: UiServer;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'millrace-web-'));
    mkdirSync(join(folder, 'web/assets/.git'), { recursive: true });
    writeFileSync(join(folder, 'web/index.html'), 'the page');
    for (const path of ['secret.txt', 'web/.env', 'web/assets/.env', 'web/assets/.git/config'])
      writeFileSync(join(folder, path), 'SECRET');
    symlinkSync(join(folder, 'secret.txt'), join(folder, 'linked.txt'));
    site = await Site.onSqlite();
    ui = await startUi(site, { webFolder: join(folder, 'web') });
  });
  afterAll(async () => {
    await ui.close();
    await site.close();
    rmSync(folder, { recursive: true });
  });

  it.each([
    '/../secret.txt',
    '/..%2fsecret.txt',
    '/%2e%2e/secret.txt',
    '/assets/../../secret.txt',
    '/assets/..%2f..%2fsecret.txt',
    '/assets/%2e%2e/%2e%2e/secret.txt',
    '/assets/..\\..\\secret.txt',
    '/assets/..%5c..%5csecret.txt',
    '/assets//../../secret.txt',
    '/assets/%00',
    '/assets/a%00/../../secret.txt',
    '/assets/%c0%ae%c0%ae/secret.txt',
    '/.env',
    '/%2eenv',
    '/assets/.env',
    '/assets/%2eenv',
    '/assets/.git/config',
    '//secret.txt',
    '/%',
    '/assets/%',
  ])('%s shows nothing of it', async (path) => {
    const { status, body } = await get(ui, path);
    expect(body.toString()).not.toContain('SECRET');
    expect(status).toBeLessThan(500);
  });
});

it('reports that the web app is not built', async () => {
  const site = await Site.onSqlite();
  const ui = await startUi(site, { webFolder: '/no/such/folder' });
  const { status, body, headers } = await get(ui, '/builders/1');
  expect([status, headers['cache-control']]).toEqual([503, 'no-store']);
  expect(body.toString()).toContain('npm run build');
  expect((await get(ui, '/api/v2/builders')).status).toBe(200);
  await ui.close();
  await site.close();
});
