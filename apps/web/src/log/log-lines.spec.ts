import { beforeEach, describe, expect, it } from '@jest/globals';
import { LogLines } from './log-lines';

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
      (offset, limit) => new Promise((answer, fail) => requests.push({ range: `${offset}+${limit}`, answer, fail })),
      1,
    );
    stopLooking = lines.subscribe(() => undefined);
  });

  const request = async (n: number): Promise<Request> => {
    while (requests.length <= n) await new Promise(setImmediate);
    return requests[n]!;
  };
  /** The next fetch that ends, and what it led to. */
  const ended = async (end: () => void): Promise<void> => {
    let forget = (): void => undefined;
    await new Promise<void>((resolve) => {
      forget = lines.subscribe(resolve);
      end();
    });
    forget();
  };
  const ranges = (): string[] => requests.map(({ range }) => range);

  it('fetches the pages in sight, each once', async () => {
    lines.setTotal(5000);
    lines.want(900, 1100);
    lines.want(950, 1150);
    expect(ranges()).toEqual(['0+1000', '1000+1000']);
    await ended(() => requests[1]!.answer(text(1000, 2000)));
    expect([lines.line(999), lines.line(1000), lines.line(1999)]).toEqual([undefined, 'oline 1000', 'oline 1999']);
  });

  it('asks for what was added while it was fetching, with nobody asking again', async () => {
    lines.setTotal(10);
    lines.want(0, 10);
    lines.setTotal(30);
    lines.want(0, 30);
    await ended(() => requests[0]!.answer(text(0, 10)));
    await ended(() => requests[1]!.answer(text(10, 30)));
    expect(lines.line(29)).toBe('oline 29');
    expect(ranges()).toEqual(['0+1000', '10+990']);
  });

  it('goes on after an answer that stopped short', async () => {
    lines.setTotal(3);
    lines.want(0, 3);
    for (let line = 0; line < 3; line++) await ended(() => requests[line]!.answer(text(line, line + 1)));
    expect(ranges()).toEqual(['0+1000', '1+999', '2+998']);
  });

  it('says what went wrong, and tries again', async () => {
    lines.setTotal(1);
    lines.want(0, 1);
    await ended(() => requests[0]!.fail(new Error('the server is away')));
    expect(lines.problem).toBe('the server is away');
    const again = await request(1);
    await ended(() => again.answer(text(0, 1)));
    expect([lines.problem, lines.line(0)]).toEqual([null, 'oline 0']);
  });

  it('leaves it at that when nobody looks any more', async () => {
    lines.setTotal(2);
    lines.want(0, 2);
    stopLooking();
    requests[0]!.answer(text(0, 1));
    while (lines.line(0) === undefined) await new Promise(setImmediate);
    expect(requests).toHaveLength(1);
  });
});
