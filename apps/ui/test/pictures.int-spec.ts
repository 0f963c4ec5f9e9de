import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { CompiledWww } from '@millrace/contracts';
import { Result } from '@millrace/domain';
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
