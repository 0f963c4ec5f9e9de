import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { LogLines } from './log-lines.js';

describe('LogLines', () => {
  afterEach(() => void jest.restoreAllMocks());

  const written = (line: string): string => {
    const write = jest.spyOn(process.stdout, 'write').mockReturnValue(true);
    new LogLines().write('engine', line);
    return write.mock.calls.map(([text]) => String(text)).join('');
  };
  const entry = (fields: object): string => JSON.stringify({ level: 30, time: 0, ...fields });

  it.each([
    ['a plain line', 'ready', 'engine    ready\n'],
    ['a plain line with an escape sequence', 'a\u001b]0;owned\u0007b', 'engine    a\\x1b]0;owned\\x07b\n'],
    ['a line that only begins as JSON does', '{"a": \u001b[2J', 'engine    {"a": \\x1b[2J\n'],
  ])('%s', (_what, line, expected) => {
    expect(written(line)).toBe(expected);
  });

  it('escapes control characters of messages and fields instead of sending them to the terminal', () => {
    const text = written(entry({ msg: 'worker \u001b[2J', worker: { name: 'w\u009b31m' }, list: ['\u202e'] }));

    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(text).toContain('worker \\x1b[2J');
  });

  it('keeps the lines of a stack, and cuts overlong texts', () => {
    expect(
      written(entry({ level: 50, msg: 'm', err: { type: 'Error', message: 'm', stack: 'Error: m\n    at a' } })),
    ).toMatch(/\n\s+at a/);
    expect(written('x'.repeat(1e6)).length).toBeLessThan(21_000);
  });
});
