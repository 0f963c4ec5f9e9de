import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LogLines, PAGE_LINES, PAGES_BACK } from './log-lines.js';

interface Request {
  readonly range: string;
  readonly answer: (text: string) => void;
  readonly fail: (error: Error) => void;
}

const text = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, i) => `oline ${from + i}\n`).join('');

describe('LogLines', () => {
  let requests: Request[];
  let lines: LogLines;
  let stopLooking: () => void;

  beforeEach(() => {
    requests = [];
    lines = new LogLines(
      1,
      true,
      (offset, limit) => new Promise((answer, fail) => requests.push({ range: `${offset}+${limit}`, answer, fail })),
      1,
    );
    stopLooking = lines.subscribe(() => undefined);
  });

  const request = async (n: number): Promise<Request> => {
    while (requests.length <= n) await new Promise(setImmediate);
    return requests[n]!;
  };
  /** Ends the next fetch, and waits for its effects. */
  const ended = async (end: () => void): Promise<void> => {
    let forget = (): void => undefined;
    await new Promise<void>((resolve) => {
      forget = lines.subscribe(resolve);
      end();
    });
    forget();
  };
  const shown = (index: number): string | undefined => {
    const painted = lines.line(index)?.painted;
    return painted && ('text' in painted ? painted.text : painted.html);
  };
  const ranges = (): string[] => requests.map(({ range }) => range);

  it('fetches the visible pages, each once', async () => {
    lines.setTotal(5000);
    lines.want(900, 1100);
    lines.want(950, 1150);
    expect(ranges()).toEqual(['0+1000', '1000+1000']);
    await ended(() => requests[1]!.answer(text(1000, 2000)));
    expect([shown(999), shown(1000), shown(1999)]).toEqual([undefined, 'line 1000', 'line 1999']);
  });

  it('fetches lines that were added during a fetch without another request', async () => {
    lines.setTotal(10);
    lines.want(0, 10);
    lines.setTotal(30);
    lines.want(0, 30);
    await ended(() => requests[0]!.answer(text(0, 10)));
    await ended(() => requests[1]!.answer(text(10, 30)));
    expect(shown(29)).toBe('line 29');
    expect(ranges()).toEqual(['0+1000', '10+990']);
  });

  it('continues after an incomplete answer', async () => {
    lines.setTotal(3);
    lines.want(0, 3);
    for (let line = 0; line < 3; line++) await ended(() => requests[line]!.answer(text(line, line + 1)));
    expect(ranges()).toEqual(['0+1000', '1+999', '2+998']);
  });

  it('reports an error, and tries again', async () => {
    lines.setTotal(1);
    lines.want(0, 1);
    await ended(() => requests[0]!.fail(new Error('the server is away')));
    expect(lines.problem).toBe('the server is away');
    const again = await request(1);
    await ended(() => again.answer(text(0, 1)));
    expect([lines.problem, shown(0)]).toEqual([null, 'line 0']);
  });

  it('stops fetching when nobody looks any more', async () => {
    lines.setTotal(2);
    lines.want(0, 2);
    stopLooking();
    requests[0]!.answer(text(0, 1));
    while (lines.line(0) === undefined) await new Promise(setImmediate);
    expect(requests).toHaveLength(1);
  });

  it('fetches few pages at a time, and then those that are visible by then', async () => {
    lines.setTotal(100_000);
    for (let from = 0; from < 50_000; from += 1000) lines.want(from, from + 50);
    expect(requests).toHaveLength(4);
    for (let i = 0; i < 4; i++) await ended(() => requests[i]!.answer(text(i * 1000, i * 1000 + 1000)));
    expect(ranges()[4]).toBe('49000+1000');
  });

  it('starts again when a log got shorter', async () => {
    lines.setTotal(2);
    lines.want(0, 2);
    await ended(() => requests[0]!.answer('oold\nolines\n'));
    lines.setTotal(1);
    lines.want(0, 1);
    await ended(() => requests[1]!.answer('onew\n'));
    expect([shown(0), shown(1)]).toEqual(['new', undefined]);
  });
});

describe('the colours of LogLines', () => {
  /** Returns a log whose lines are all available. */
  const logOf = (
    all: readonly string[],
    hasLetters = true,
  ): { lines: LogLines; asked: number[]; see: (from: number, to: number) => Promise<string[]> } => {
    const asked: number[] = [];
    const lines = new LogLines(1, hasLetters, async (offset, limit) => {
      asked.push(offset);
      return all
        .slice(offset, offset + limit)
        .map((line) => `${line}\n`)
        .join('');
    });
    lines.setTotal(all.length);
    lines.subscribe(() => undefined);
    const see = async (from: number, to: number): Promise<string[]> => {
      lines.want(from, to);
      for (let before = -1; before !== asked.length;) {
        before = asked.length;
        for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
      }
      return Array.from({ length: to - from }, (_, i) => {
        const { painted } = lines.line(from + i)!;
        return 'html' in painted ? painted.html : painted.text;
      });
    };
    return { lines, asked, see };
  };
  const RED = '\u001b[31m';
  const OFF = '\u001b[0m';
  const red = (inner: string): string => `<span class="ansi-red-fg">${inner}</span>`;
  const plain = (count: number): string[] => Array.from({ length: count }, (_, i) => `oline ${i}`);

  it("hold over lines until they are reset, separately for a command's output and for our own lines", async () => {
    const { see } = logOf([
      `h${RED}command`,
      'hin two lines',
      'oone',
      `e${RED}two`,
      'othree',
      'hexit code 1',
      'ofour',
      `o${OFF}five`,
      'osix',
    ]);
    expect(await see(0, 9)).toEqual([
      red('command'),
      red('in two lines'),
      'one',
      red('two'),
      red('three'),
      'exit code 1',
      red('four'),
      'five',
      'six',
    ]);
  });

  it('come from earlier pages, whichever page is looked at first', async () => {
    const all = plain(8 * PAGE_LINES);
    all[PAGE_LINES / 2] = `o${RED}error`;
    const { see, asked } = logOf(all);
    expect(await see(7990, 8000)).toEqual(all.slice(7990).map((line) => red(line.slice(1))));
    expect(asked.length).toBe(8);
    expect(await see(499, 502)).toEqual(['line 499', red('error'), red('line 501')]);
    expect(asked.length).toBe(8);
  });

  it('are searched for back to a reset, but only for some pages', async () => {
    const reset = plain(20 * PAGE_LINES);
    reset[18 * PAGE_LINES + 1] = `o${RED}error${OFF}`;
    const near = logOf(reset);
    await near.see(19_500, 19_600);
    expect(near.asked).toEqual([19_000, 18_000]);
    const far = logOf(plain(50 * PAGE_LINES));
    await far.see(49_500, 49_600);
    expect(far.asked.length).toBe(1 + PAGES_BACK);
  });

  it('are remembered of dropped pages', async () => {
    const all = plain(100 * PAGE_LINES);
    all[0] = `o${RED}error`;
    const { see, lines } = logOf(all);
    for (let page = 0; page < 100; page++) await see(page * PAGE_LINES, page * PAGE_LINES + 50);
    expect(lines.line(0)).toBeUndefined();
    expect((await see(99_990, 99_991))[0]).toBe(red('line 99990'));
  });

  it('are the same in whatever order and pieces a log is looked at', async () => {
    const piece = fc.constantFrom(
      'text',
      ' ',
      RED,
      OFF,
      '\u001b[1m',
      '\u001b[22m',
      '\u001b[38;5;100m',
      '\u001b[2K',
      '\r',
      '\u001b[',
    );
    const line = fc
      .tuple(fc.constantFrom('o', 'e', 'h'), fc.array(piece, { maxLength: 4 }))
      .map(([stream, pieces]) => `${stream}${pieces.join('')}`);
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { minLength: 1, maxLength: 30 }),
        fc.array(fc.nat(3999), { minLength: 1, maxLength: 5 }),
        async (some, looks) => {
          const all = Array.from({ length: 4000 }, (_, i) => (i % 97 === 0 ? some[i % some.length]! : `oline ${i}`));
          const inOrder = await logOf(all).see(0, 4000);
          const { see } = logOf(all);
          for (const from of looks) {
            const to = Math.min(4000, from + 100);
            expect(await see(from, to)).toEqual(inOrder.slice(from, to));
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});
