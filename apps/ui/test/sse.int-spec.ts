import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { hints } from '@millrace/contracts';
import { Result } from '@millrace/domain';
import { eventually } from '@millrace/testing';
import { startUi, type UiServer } from './server.js';
import { type Json, Site } from './site.js';

/** A program's end of `/sse`. */
class Stream {
  text = '';
  private constructor(private readonly abort: AbortController) {}

  static async open(url: string): Promise<Stream> {
    const abort = new AbortController();
    const answer = await fetch(url, { signal: abort.signal });
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    const stream = new Stream(abort);
    void stream.read(answer.body!).catch(() => undefined);
    return stream;
  }

  /** Reads until the stream is closed, from either side. */
  private async read(body: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const piece of body) this.text += decoder.decode(piece, { stream: true });
  }

  get events(): { readonly key: readonly string[]; readonly message: Json }[] {
    return [...this.text.matchAll(/^event: event\ndata: (.*)$/gm)].map(
      (found) => JSON.parse(found[1]!) as { key: string[]; message: Json },
    );
  }

  id(): Promise<string> {
    return eventually(() => /^event: handshake\ndata: (.+)\n\n/.exec(this.text)?.[1] ?? false, {
      what: 'the handshake',
    });
  }

  event(key: string): Promise<Json> {
    return eventually(() => this.events.find((event) => event.key.join('/') === key)?.message ?? false, { what: key });
  }

  close(): void {
    this.abort.abort();
  }
}

describe('/sse', () => {
  let site: Site;
  let ui: UiServer;
  const streams: Stream[] = [];
  const open = async (path: string, at = ui): Promise<Stream> => {
    const stream = await Stream.open(`${at.url}${path}`);
    streams.push(stream);
    return stream;
  };
  const ask = async (path: string): Promise<[number, string]> => {
    const answer = await fetch(`${ui.url}${path}`);
    return [answer.status, await answer.text()];
  };
  beforeAll(async () => {
    site = await Site.onSqlite();
    ui = await startUi(site);
  });
  afterEach(() => {
    for (const stream of streams.splice(0)) stream.close();
  });
  afterAll(async () => {
    await ui.close();
    await site.close();
  });

  it('sends the events of a filter, with their keys as lists', async () => {
    const stream = await open('/sse/listen/builds/*/finished');
    await stream.id();
    const build = await site.built('docs', Result.SUCCESS);
    site.hint(hints.build(build.buildId, 'finished'));
    expect(await stream.event(`builds/${build.buildId}/finished`)).toMatchObject({
      buildid: build.buildId,
      results: 0,
    });
  });

  it('takes more filters, and fewer, by the id of the stream', async () => {
    const stream = await open('/sse/listen');
    const id = await stream.id();
    expect(await ask(`/sse/add/${id}/workers/*/*`)).toEqual([200, 'ok']);
    site.hint(hints.worker(1, 'connected'));
    await stream.event('workers/1/connected');
    expect(await ask(`/sse/remove/${id}/workers/*/*`)).toEqual([200, 'ok']);
    expect((await ask(`/sse/remove/${id}/workers/*/*`))[0]).toBe(404);
    expect(await ask(`/sse/add/${id}/masters/*/*`)).toEqual([200, 'ok']);
    site.hint(hints.worker(1, 'missing'));
    site.hint(hints.master(site.engine.masterId, 'stopped'));
    await stream.event(`masters/${site.engine.masterId}/stopped`);
    expect(stream.events.some(({ key }) => key.includes('missing'))).toBe(false);
  });

  it.each(['/sse/add', '/sse/add/xyz/builds/*/*', '/sse/remove/xyz/builds/*/*'])('refuses %s', async (path) => {
    const answer = await fetch(`${ui.url}${path}`);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([400, 'text/plain; charset=utf-8']);
  });

  it('forgets a stream that was closed', async () => {
    const stream = await open('/sse/listen/builds/*/*');
    const id = await stream.id();
    stream.close();
    await eventually(async () => (await ask(`/sse/add/${id}/workers/*/*`))[0] === 400, { what: 'a forgotten stream' });
  });

  it('refuses more streams than there may be, and ends them when it stops', async () => {
    const small = await startUi(site, { wsMax: 1 });
    const stream = await open('/sse/listen', small);
    await stream.id();
    expect((await fetch(`${small.url}/sse/listen`)).status).toBe(503);
    await small.close();
  });
});
