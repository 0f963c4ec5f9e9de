import { describe, expect, it } from '@jest/globals';
import { deletedFileAt, importingFiles } from './imported-files.js';

describe('the deleted file that an import means', () => {
  const deleted = new Set(['/c/title.ts', '/c/parts/index.ts', '/c/parts/old.cjs', '/c/typed.mts', '/c/noextension']);
  it.each<[string, string, string | null]>([
    ['./title.ts', '/c', '/c/title.ts'],
    ['./title', '/c', '/c/title.ts'],
    ['./title.js', '/c', '/c/title.ts'],
    ['../title', '/c/parts', '/c/title.ts'],
    ['/c/title.ts', '/elsewhere', '/c/title.ts'],
    ['./parts', '/c', '/c/parts/index.ts'],
    ['./old.cjs', '/c/parts', '/c/parts/old.cjs'],
    ['./typed.mjs', '/c', '/c/typed.mts'],
    ['./title.ts', '/c/parts', null],
    ['./other', '/c', null],
    ['./noextension', '/c', null],
    ['title.ts', '/c', null],
    ['.title.ts', '/c', null],
    ['node:fs', '/c', null],
  ])('%s in %s is %s', (specifier, folder, expected) =>
    expect(deletedFileAt(specifier, folder, deleted)).toBe(expected),
  );
});

describe('code that imports by our module', () => {
  it.each([
    ['"use strict";const a = 1;', /^"use strict";jitiImport = .*;const a = 1;$/],
    ['const a = 1;', /^jitiImport = .*;const a = 1;$/],
  ])('keeps its mode and its lines: %s', (code, expected) => expect(importingFiles(code)).toMatch(expected));
});
