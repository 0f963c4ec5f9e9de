import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CompiledWww } from '@millrace/contracts';
import { messageOf, Result } from '@millrace/domain';
import { startUi, type UiServer } from './server.js';
import { Site } from './site.js';

describe('pictures, and what need not be sent again', () => {
  let site: Site;
  let ui: UiServer;
  let www: CompiledWww = {};
  beforeAll(async () => {
    site = await Site.onSqlite();
    await site.built('docs', Result.FAILURE);
    await site.built('bad builder/with odd', Result.SUCCESS);
    ui = await startUi(site, {
      policy: {
        get www() {
          return www;
        },
      },
    });
  });
  afterAll(async () => {
    await ui.close();
    await site.close();
  });
  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${ui.url}${path}`, { headers, redirect: 'manual' });

  it.each([
    ['/badges/docs.svg', 'failure'],
    ['/plugins/badges/docs.svg', 'failure'],
    ['/badges/bad%20builder%2Fwith%20odd.svg', 'success'],
    ['/badges/docs.svg?branch=main', 'failure'],
    ['/badges/docs.svg?branch=other', 'unknown'],
    ['/badges/linux-tests.svg', 'unknown'],
  ])('%s says %s', async (path, word) => {
    const answer = await get(path);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/svg+xml']);
    expect(await answer.text()).toContain(`>${word}<`);
    expect((await get(path, { 'if-none-match': answer.headers.get('etag')! })).status).toBe(304);
  });

  it.each(['/badges/nobody.svg', '/badges/docs.png', '/badges/docs'])('there is no %s', async (path) => {
    expect((await get(path)).status).toBe(404);
  });

  it('shows no badge to those who may not see the builder', async () => {
    www = { authz: { roles: [], rules: [], otherwise: 'deny' } };
    expect((await get('/badges/docs.svg')).status).toBe(403);
    www = {};
  });

  it('draws avatars, and leads to Gravatar only where that is configured', async () => {
    const drawn = await get('/avatar?email=ann@example.invalid');
    expect([drawn.status, drawn.headers.get('content-type')]).toEqual([200, 'image/svg+xml']);
    www = { avatars: 'gravatar' };
    const led = await get('/avatar?email=ann@example.invalid');
    expect([led.status, led.headers.get('location')]).toEqual([
      302,
      '//www.gravatar.com/avatar/b868103e0aba169f3166f5be6357cfd4?d=retro&s=32',
    ]);
    www = {};
  });

  describe('of services that are configured', () => {
    const PNG = Buffer.from('89504e470d0a1a0a', 'hex');
    const asked: string[] = [];
    let service: Server;
    let port: number;
    beforeAll(async () => {
      service = createServer((request, response) => {
        const path = request.url!.split('?')[0]!;
        asked.push(path);
        if (path === '/u/silent') return;
        const type = path === '/u/script' ? 'image/svg+xml' : 'image/png';
        const status = { '/u/nobody': 404, '/u/broken': 500, '/u/moved': 302 }[path] ?? 200;
        response.writeHead(status, { 'content-type': type, location: '/u/ann' });
        response.end(path === '/u/large' ? Buffer.alloc(1 << 20) : PNG);
      });
      await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
      ({ port } = service.address() as AddressInfo);
    });
    afterAll(() => {
      service.closeAllConnections();
      service.close();
      www = {};
    });
    const from = (host: string, privateAddresses: boolean): void => {
      asked.length = 0;
      www = { avatars: { from: [`http://${host}:${port}/u/{login}?s={size}`], privateAddresses } };
    };
    const kindOf = async (login: string): Promise<string | null> => {
      const answer = await get(`/avatar?username=${login}`);
      expect(answer.status).toBe(200);
      return answer.headers.get('content-type');
    };

    it('fetches a picture once, and draws what may not be shown', async () => {
      from('127.0.0.1', true);
      const answers = await Promise.all([1, 2, 3].map(() => get('/avatar?username=ann&size=30')));
      for (const answer of answers) {
        expect(answer.headers.get('content-type')).toBe('image/png');
        expect(Buffer.from(await answer.arrayBuffer())).toEqual(PNG);
      }
      const etag = answers[0]!.headers.get('etag')!;
      expect((await get('/avatar?username=ann&size=32', { 'if-none-match': etag })).status).toBe(304);
      for (const login of ['nobody', 'script', 'large', 'nobody', 'script', 'large'])
        expect(await kindOf(login)).toBe('image/svg+xml');
      expect(asked).toEqual(['/u/ann', '/u/nobody', '/u/script', '/u/large']);
    });

    it.each([
      ['localhost', 'broken'],
      ['127.0.0.2', 'silent'],
      ['127.0.0.3', 'moved'],
    ])('draws initials at once while %s is %s, and leaves it alone', async (host, login) => {
      if (host !== 'localhost') await new Promise<void>((resolve) => service.close(() => resolve()));
      if (host !== 'localhost') await new Promise<void>((resolve) => service.listen(port, host, resolve));
      from(host, true);
      const first = await get(`/avatar?username=${login}`);
      expect([first.headers.get('content-type'), first.headers.get('cache-control')]).toEqual([
        'image/svg+xml',
        'public, max-age=60',
      ]);
      expect(await kindOf('ann')).toBe('image/svg+xml');
      expect(asked).toEqual([`/u/${login}`]);
    });

    it.each(['127.0.0.1', 'localhost', '[::1]', '[::ffff:127.0.0.1]', '169.254.169.254', '10.0.0.1'])(
      'never asks %s, unless private addresses are allowed',
      async (host) => {
        from(host, false);
        expect(await kindOf('bob')).toBe('image/svg+xml');
        expect(asked).toEqual([]);
        expect(messageOf((ui.warnings.at(-1) as { err: unknown }).err)).toContain('is not a public address');
      },
    );
  });

  it('compresses what is large, for those who take it', async () => {
    const plain = await get('/api/v2/application.spec', { 'accept-encoding': 'identity' });
    expect(plain.headers.get('content-encoding')).toBeNull();
    for (const encoding of ['gzip', 'br']) {
      const packed = await get('/api/v2/application.spec', { 'accept-encoding': encoding });
      expect(packed.headers.get('content-encoding')).toBe(encoding);
      expect(await packed.json()).toEqual(JSON.parse(await plain.clone().text()));
    }
    const small = await get('/api/v2/builders/1?field=name', { 'accept-encoding': 'gzip' });
    expect(small.headers.get('content-encoding')).toBeNull();
  });

  it.each(['/api/v2/builds/1', '/api/v2/logs/1/contents?offset=0&limit=2', '/api/v2/logs/1/raw'])(
    'does not send %s twice',
    async (path) => {
      const first = await get(path);
      expect(first.status).toBe(200);
      await first.text();
      const again = await get(path, { 'if-none-match': first.headers.get('etag')! });
      expect([again.status, await again.text()]).toEqual([304, '']);
      expect((await get(path, { 'if-none-match': 'W/"other"' })).status).toBe(200);
    },
  );
});
