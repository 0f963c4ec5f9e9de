import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { fuzzCalls, fuzzEvents } from '@millrace/testing';
import { WebSocket } from 'ws';
import { startUi, type UiServer } from './server.js';
import { Site } from './site.js';

/** A short form. `npm run bench -- --only fuzz-http` sends a million of each. */
describe('broken messages', () => {
  let site: Site;
  let ui: UiServer;
  beforeAll(async () => {
    site = await Site.onSqlite();
    ui = await startUi(site);
  });
  afterAll(async () => {
    await ui.close();
    await site.close();
  });

  it('to /ws end only their own connection', async () => {
    const bystander = new WebSocket(`${ui.url.replace('http', 'ws')}/ws`);
    await new Promise((resolve, reject) => bystander.once('open', resolve).once('error', reject));
    const { closed } = await fuzzEvents(`${ui.url.replace('http', 'ws')}/ws`, { from: 0, to: 3_000 });
    expect(closed).toBeGreaterThan(300);
    const pong = new Promise((resolve) =>
      bystander.once('message', (data: Buffer) => resolve(JSON.parse(data.toString()))),
    );
    bystander.send('{"cmd":"ping","_id":1}');
    expect(await pong).toEqual({ msg: 'pong', code: 200, _id: 1 });
    bystander.terminate();
    expect(ui.warnings).toEqual([]);
  });

  it('to the API are answered', async () => {
    const { statuses } = await fuzzCalls(ui.url, { from: 0, to: 2_000 });
    expect([...statuses.keys()].sort()).toEqual([400, 404, 501]);
    expect(ui.published).toEqual([]);
    expect(ui.warnings).toEqual([]);
  });
});
