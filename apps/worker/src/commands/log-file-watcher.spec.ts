import { appendFileSync, mkdtempSync, renameSync, rmSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LogFileWatcher } from './log-file-watcher.js';

describe('LogFileWatcher', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-log-'));
  const path = join(folder, 'log');
  let sent: string;
  let watcher: LogFileWatcher;
  const watch = async (follow = false): Promise<void> => {
    sent = '';
    const output = {
      isBlocked: false,
      whenWritable: async () => undefined,
      writeLog: (_name: string, text: string) => void (sent += text),
    };
    watcher = new LogFileWatcher('log', path, follow, output, () => undefined);
    await watcher.begin();
  };
  /** Replaces the file, as log rotation does. */
  const replace = (text: string): void => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };

  beforeEach(() => rmSync(path, { force: true }));
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each<[string, () => void, string]>([
    ['grows', () => appendFileSync(path, 'two\n'), 'one\ntwo\n'],
    ['is emptied', () => truncateSync(path), 'one\n'],
    ['is written anew, shorter', () => writeFileSync(path, '2\n'), 'one\n2\n'],
    ['is replaced by a longer one', () => replace('two\nthree\n'), 'one\ntwo\nthree\n'],
    ['is replaced by one as long', () => replace('two\n'), 'one\ntwo\n'],
    ['is replaced by a shorter one', () => replace('2\n'), 'one\n2\n'],
    [
      'grows and is replaced',
      () => {
        appendFileSync(path, 'rest\n');
        replace('two\n');
      },
      'one\nrest\ntwo\n',
    ],
    [
      'grows and is deleted',
      () => {
        appendFileSync(path, 'rest\n');
        unlinkSync(path);
      },
      'one\nrest\n',
    ],
    [
      'is deleted and made again',
      () => {
        unlinkSync(path);
        writeFileSync(path, 'a new one\n');
      },
      'one\na new one\n',
    ],
    [
      'ends in the middle of a line and is replaced',
      () => {
        appendFileSync(path, 'half');
        replace('two\n');
      },
      'one\nhalf\ntwo\n',
    ],
    [
      'ends in the middle of a character and is replaced',
      () => {
        appendFileSync(path, Buffer.from('é').subarray(0, 1));
        replace('é\n');
      },
      'one\n\ufffd\né\n',
    ],
  ])('sends all of a file that %s', async (_what, change, expected) => {
    await watch();
    writeFileSync(path, 'one\n');
    await watcher.poll();
    change();
    await watcher.poll();
    await watcher.end();
    expect(sent).toBe(expected);
  });

  it('follows a file from the end of its earlier content, and its successors from their beginning', async () => {
    writeFileSync(path, 'before\n');
    await watch(true);
    appendFileSync(path, 'after\n');
    await watcher.poll();
    replace('a new one, longer than the old\n');
    await watcher.end();
    expect(sent).toBe('after\na new one, longer than the old\n');
  });

  it('sends every line once, in order, however the file changes between polls', async () => {
    const change = fc.record({ how: fc.constantFrom('append', 'replace'), lines: fc.nat(4), look: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 12 }), async (changes) => {
        rmSync(path, { force: true });
        await watch();
        let line = 0;
        let expected = '';
        let isKnown = false;
        for (const { how, lines, look } of changes) {
          let text = '';
          for (let i = 0; i < lines; i++) text += `line ${line++}\n`;
          // A file that was never polled before it was replaced is gone.
          if (how === 'replace' && isKnown) replace(text);
          else appendFileSync(path, text);
          expected += text;
          if (look) await watcher.poll();
          isKnown = look || (isKnown && how === 'append');
        }
        await watcher.end();
        expect(sent).toBe(expected);
      }),
      { numRuns: 200 },
    );
  });
});
