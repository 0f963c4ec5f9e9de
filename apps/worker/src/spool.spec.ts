import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { plainLog } from './log.js';
import { Spool, type SpoolFile } from './spool.js';

let base: string;
let folder: string;
const log: string[] = [];

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'millrace-spool-'));
  folder = join(base, 'spool');
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

function spoolOf(limitBytes: number): Spool {
  return new Spool(
    folder,
    limitBytes,
    plainLog((line) => log.push(line)),
  );
}

function append(file: SpoolFile, ...records: string[]): boolean[] {
  return records.map((record) => file.append(Buffer.from(record)));
}

function readAll(file: SpoolFile): string[] {
  const records: string[] = [];
  while (file.hasUnread) records.push(Buffer.from(file.read().record).toString());
  return records;
}

describe('Spool', () => {
  it('returns records in their order, and again from the first that is not acknowledged', () => {
    const file = spoolOf(1000).file();
    append(file, 'a', 'bb', 'ccc');
    const { end } = file.read();
    expect(readAll(file)).toEqual(['bb', 'ccc']);
    file.acknowledge(end);
    append(file, 'd');
    file.rewind();
    expect(readAll(file)).toEqual(['bb', 'ccc', 'd']);
  });

  it('bounds all files together, and wakes waiting writers when one is dropped', async () => {
    const spool = spoolOf(20);
    const [one, two] = [spool.file(), spool.file()];
    expect([...append(one, '123456'), ...append(two, '123456', '7', '8')]).toEqual([true, true, false, false]);
    expect(spool.hasRoom).toBe(false);
    const room = spool.whenRoom();
    expect(readdirSync(folder)).toHaveLength(2);
    one.drop();
    await room;
    expect(readdirSync(folder)).toHaveLength(1);
    expect(append(two, '9')).toEqual([true]);
    expect(readAll(two)).toEqual(['123456', '9']);
  });

  it('takes no space once everything is acknowledged', () => {
    const file = spoolOf(20).file();
    append(file, 'a');
    file.acknowledge(file.read().end);
    expect(readdirSync(folder)).toEqual([]);
    append(file, 'b');
    expect(readAll(file)).toEqual(['b']);
  });

  it('has no room while the disk refuses writes, and tries again later', async () => {
    writeFileSync(folder, 'in the way');
    const spool = spoolOf(1000);
    const file = spool.file();
    expect(append(file, 'a')).toEqual([false]);
    expect(spool.hasRoom).toBe(false);
    expect(log.join('')).toContain('output cannot be spooled');
    rmSync(folder);
    await spool.whenRoom();
    expect(spool.hasRoom).toBe(true);
    expect(append(file, 'a')).toEqual([true]);
  });
});

it('writes nothing through a link that somebody left in its place, and reports it', () => {
  const elsewhere = join(base, 'elsewhere');
  mkdirSync(elsewhere);
  symlinkSync(elsewhere, folder);
  const spool = spoolOf(1000);
  expect(append(spool.file(), 'secret')).toEqual([false]);
  expect(spool.hasRoom).toBe(false);
  expect(readdirSync(elsewhere)).toEqual([]);
  spool.empty();
  expect(append(spool.file(), 'secret')).toEqual([true]);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
  const [name = ''] = readdirSync(folder);
  // Nobody can guess it, to put a link there.
  expect(name).toMatch(/^[0-9a-f-]{36}$/);
  expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
});
