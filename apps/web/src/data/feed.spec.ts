import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { QueryClient, QueryObserver } from '@tanstack/react-query';
import fc from 'fast-check';
import { type Events, Feed } from './feed.js';
import { type LiveList, type LiveQuery, merged } from './lists.js';

interface Row {
  readonly id: number;
  readonly version: number;
}

const ROWS: LiveQuery<Row> = {
  path: 'rows',
  plural: 'rows',
  id: (row) => row.id,
  topics: ['rows/*/*'],
  compare: (a, b) => a.id - b.id,
};
const RESYNC_MS = 1000;
const listOf = (items: readonly Row[]): LiveList<Row> => ({ items, next: null, loaded: items.length });

/** A server whose rows change, and the socket that sends events while it is connected. */
class Server implements Events {
  readonly rows = new Map<number, Row>();
  readonly topics: string[] = [];
  readonly answers: { readonly answer: () => void; readonly fail: () => void; readonly signal: AbortSignal }[] = [];
  isOpen = true;
  private readonly listeners = new Set<(key: string, message: unknown) => void>();
  private resyncListener = (): void => undefined;

  consume(filter: string, listener: (key: string, message: unknown) => void): () => void {
    this.topics.push(filter);
    this.listeners.add(listener);
    return () => {
      this.topics.splice(this.topics.indexOf(filter), 1);
      this.listeners.delete(listener);
    };
  }

  onResync(listener: () => void): () => void {
    this.resyncListener = listener;
    return () => undefined;
  }

  change(id: number): void {
    const row = { id, version: (this.rows.get(id)?.version ?? 0) + 1 };
    this.rows.set(id, row);
    if (this.isOpen) for (const listener of this.listeners) listener(`rows/${id}/update`, row);
  }

  resync = (): void => this.resyncListener();

  /** Reads the rows at once, and answers when it is told to. */
  read(signal: AbortSignal): Promise<LiveList<Row>> {
    const list = listOf([...this.rows.values()].sort((a, b) => a.id - b.id));
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('aborted')));
      this.answers.push({ signal, answer: () => resolve(list), fail: () => reject(new Error('away')) });
    });
  }

  get waiting(): Server['answers'] {
    return this.answers.filter(({ signal }) => !signal.aborted);
  }
}

describe('Feed', () => {
  let server: Server;
  let client: QueryClient;
  let feed: Feed;

  beforeEach(() => {
    jest.useFakeTimers();
    server = new Server();
    client = new QueryClient({
      defaultOptions: { queries: { staleTime: Infinity, networkMode: 'always', retry: true, retryDelay: 2000 } },
    });
    feed = new Feed(client, server, RESYNC_MS);
  });
  afterEach(() => {
    client.clear();
    jest.useRealTimers();
  });

  const look = (): (() => void) =>
    new QueryObserver<LiveList<Row>>(client, {
      queryKey: ['rows'],
      queryFn: (context) => feed.fetch(context, () => server.read(context.signal)),
      meta: {
        fed: { topics: ROWS.topics, merge: (list: LiveList<Row>, rows) => merged(list, rows as Row[], ROWS) },
      },
    }).subscribe(() => undefined);
  const shown = (): readonly Row[] | undefined => client.getQueryData<LiveList<Row>>(['rows'])?.items;
  const settle = (): Promise<void> => jest.advanceTimersByTimeAsync(20);
  const answer = async (): Promise<void> => {
    server.answers.at(-1)!.answer();
    await settle();
  };

  it('fetches once for any number of observers, and consumes the topics as long as there is one', async () => {
    const ends = [look(), look()];
    await settle();
    await answer();
    ends.push(look());
    await settle();
    expect([server.answers.length, server.topics]).toEqual([1, ['rows/*/*']]);
    for (const end of ends) end();
    expect(server.topics).toEqual([]);
    // The query got no events meanwhile.
    look();
    expect([server.answers.length, server.topics]).toEqual([2, ['rows/*/*']]);
  });

  it('shows an answer together with the events that overtook it', async () => {
    server.change(1);
    look();
    server.change(1);
    server.change(2);
    await answer();
    expect(shown()).toEqual([
      { id: 1, version: 2 },
      { id: 2, version: 1 },
    ]);
  });

  it('applies events that arrive together in one change of the cache', async () => {
    look();
    await answer();
    let changes = 0;
    client.getQueryCache().subscribe(({ type }) => (changes += Number(type === 'updated')));
    for (let i = 0; i < 1000; i++) server.change(i % 3);
    await settle();
    expect([shown()!.map(({ version }) => version), changes]).toEqual([[334, 333, 333], 1]);
  });

  it.each([
    ['its first fetch', false],
    ['a later one', true],
  ])('fetches from scratch after a gap, even during %s', async (_name, isLoaded) => {
    server.isOpen = false;
    look();
    if (isLoaded) {
      await answer();
      server.resync();
      await jest.advanceTimersByTimeAsync(RESYNC_MS);
    }
    const old = server.answers.at(-1)!;
    server.change(1);
    server.isOpen = true;
    server.resync();
    await settle();
    expect(old.signal.aborted).toBe(true);
    await answer();
    expect(shown()).toEqual([{ id: 1, version: 1 }]);
  });

  it('does not wait for the next retry when the server is back', async () => {
    look();
    server.answers[0]!.fail();
    await settle();
    server.resync();
    await settle();
    expect(server.answers).toHaveLength(2);
    await answer();
    expect(shown()).toEqual([]);
  });

  it('fetches at most once a second however often it is told to resync, and does not forget the last time', async () => {
    look();
    await answer();
    for (let i = 0; i < 100; i++) {
      server.resync();
      server.isOpen = false;
      server.change(1);
      await settle();
    }
    await jest.advanceTimersByTimeAsync(2 * RESYNC_MS);
    await answer();
    expect(server.answers.length).toBeLessThanOrEqual(2 + Math.ceil((100 * 20 + RESYNC_MS) / RESYNC_MS));
    expect(shown()).toEqual([{ id: 1, version: 100 }]);
  });

  it('keeps no events that came before there was data to change', async () => {
    look();
    server.change(1);
    server.answers[0]!.fail();
    await jest.advanceTimersByTimeAsync(2100);
    server.rows.delete(1);
    await answer();
    expect(shown()).toEqual([{ id: 1, version: 1 }]);
  });

  it("ends with the server's rows after any sequence of events", async () => {
    const happening = fc.oneof(
      { weight: 4, arbitrary: fc.record({ do: fc.constant('change' as const), id: fc.nat(3) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('answer' as const), id: fc.nat(3) }) },
      ...(['fail', 'lose', 'open', 'resync', 'look', 'leave'] as const).map((what) => ({
        weight: 1,
        arbitrary: fc.record({ do: fc.constant(what), id: fc.nat(3) }),
      })),
      { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), id: fc.nat(3) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(happening, { maxLength: 40 }), async (happenings) => {
        client.clear();
        server = new Server();
        feed = new Feed(client, server, RESYNC_MS);
        const ends = [look()];
        for (const { do: what, id } of happenings) {
          if (what === 'change') server.change(id);
          else if (what === 'answer') server.waiting[id % Math.max(1, server.waiting.length)]?.answer();
          else if (what === 'fail') server.waiting.at(-1)?.fail();
          else if (what === 'lose') server.isOpen = false;
          else if (what === 'open' && !server.isOpen) {
            server.isOpen = true;
            server.resync();
          } else if (what === 'resync') server.resync();
          else if (what === 'look') ends.push(look());
          else if (what === 'leave') ends.pop()?.();
          else if (what === 'wait') await jest.advanceTimersByTimeAsync(10 ** id * 3);
        }
        if (!server.isOpen) {
          server.isOpen = true;
          server.resync();
        }
        ends.push(look());
        for (let i = 0; i < 4; i++) {
          for (const { answer: go } of server.answers) go();
          await jest.advanceTimersByTimeAsync(2100);
        }
        expect(shown()).toEqual([...server.rows.values()].sort((a, b) => a.id - b.id));
        for (const end of ends) end();
      }),
      { numRuns: 300 },
    );
  });
});
