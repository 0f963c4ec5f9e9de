import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { keepFolderPrivate, keepSqlitePrivate, readSecretFile, secretFile } from '../src/private-files.js';

const modeOf = (path: string): number => statSync(path).mode & 0o7777;

describe('private files', () => {
  let folder: string;
  beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'millrace-private-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('a new data folder is readable for its user only, with any umask', () => {
    const umask = process.umask(0);
    try {
      expect(keepFolderPrivate(join(folder, 'a/b'))).toBeNull();
    } finally {
      process.umask(umask);
    }
    expect(modeOf(join(folder, 'a/b'))).toBe(0o700);
  });

  it('an open data folder is repaired, which is reported once', () => {
    const open = join(folder, 'open');
    mkdirSync(open);
    chmodSync(open, 0o755);
    expect(keepFolderPrivate(open)).toMatch(/open to others \(mode 0755\) and is private now/);
    expect(modeOf(open)).toBe(0o700);
    expect(keepFolderPrivate(open)).toBeNull();
  });

  it('a folder for everybody is refused and left unchanged', () => {
    const shared = join(folder, 'tmp');
    mkdirSync(shared);
    chmodSync(shared, 0o1777);
    expect(() => keepFolderPrivate(shared)).toThrow(
      /MILLRACE_DATA is '.*', which is not this user's alone \(mode 1777\)/,
    );
    expect(modeOf(shared)).toBe(0o1777);
  });

  it('the files of a SQLite database are made private', () => {
    const file = join(folder, 'millrace.sqlite');
    for (const path of [file, `${file}-wal`]) {
      writeFileSync(path, '');
      chmodSync(path, 0o644);
    }
    expect(keepSqlitePrivate(file)).toContain(`${file}-wal`);
    for (const path of [file, `${file}-wal`]) expect(modeOf(path)).toBe(0o600);
    expect(keepSqlitePrivate(file)).toBeNull();
  });

  describe('a secret file', () => {
    it('is made once, readable for its user only, and leaves no other file behind', () => {
      const path = join(folder, 'ticket');
      const secret = secretFile(path);
      expect(secret).toMatch(/^[\w-]{32}$/);
      expect(secretFile(path)).toBe(secret);
      expect(modeOf(path)).toBe(0o600);
      expect(readdirSync(folder)).toEqual(['ticket']);
    });

    it('that is empty is replaced: nobody may join with an empty secret', () => {
      const path = join(folder, 'ticket');
      writeFileSync(path, '');
      expect(secretFile(path)).toMatch(/^[\w-]{32}$/);
      expect(readdirSync(folder)).toEqual(['ticket']);
    });

    it.each<[string, (path: string) => void, RegExp]>([
      ['a dangling link', (path) => symlinkSync(join(folder, 'elsewhere'), path), /is a symbolic link/],
      [
        'a link to a file',
        (path) => {
          writeFileSync(join(folder, 'elsewhere'), 'x'.repeat(40));
          symlinkSync(join(folder, 'elsewhere'), path);
        },
        /is a symbolic link/,
      ],
      ['a folder', (path) => mkdirSync(path), /is no plain file/],
      ['white space', (path) => writeFileSync(path, ' \n'.repeat(20)), /holds 0 characters/],
      ['a word', (path) => writeFileSync(path, 'secret\n'), /holds 6 characters: a secret has at least 16/],
      ['megabytes', (path) => writeFileSync(path, Buffer.alloc(2 << 20, 'x')), /a secret has at most 4096/],
    ])('%s is refused, and nothing is written through it', (_what, make, message) => {
      const path = join(folder, 'ticket');
      make(path);
      expect(() => secretFile(path)).toThrow(message);
      expect(() => readSecretFile(path)).toThrow(message);
      if (_what === 'a dangling link') expect(existsSync(join(folder, 'elsewhere'))).toBe(false);
    });

    it('that others may read is made private', () => {
      const path = join(folder, 'ticket');
      writeFileSync(path, 'x'.repeat(40));
      chmodSync(path, 0o644);
      expect(secretFile(path)).toBe('x'.repeat(40));
      expect(modeOf(path)).toBe(0o600);
    });

    it('is the same for two processes that make it at once', () => {
      const path = join(folder, 'ticket');
      const secrets = new Set(Array.from({ length: 20 }, () => secretFile(path)));
      expect(secrets.size).toBe(1);
      expect(readFileSync(path, 'utf8')).toBe([...secrets][0]);
    });
  });
});
