import { describe, expect, it } from '@jest/globals';
import { objectFormat, readHeads } from './git-refs.js';

const SHA1 = 'a'.repeat(40);
const SHA256 = 'b'.repeat(64);
const listed = (...names: Buffer[]): Buffer =>
  Buffer.concat(names.flatMap((name) => [Buffer.from(`${SHA1}\trefs/heads/`), name, Buffer.from('\n')]));

describe('readHeads', () => {
  it.each([
    'main',
    'release/1.0',
    'größe',
    '分支',
    '__proto__',
    '@',
    'a@b',
    'feature#1',
    '-x',
    '\ufeffbom',
    'quo\'te"$(id)',
  ])('watches %s', (name) => {
    expect(readHeads(listed(Buffer.from(name)), 183)).toEqual({
      heads: new Map([[name, SHA1]]),
      unwatchable: new Map(),
    });
  });

  it.each([
    ['a name that is not UTF-8', Buffer.from('caf\xe9', 'latin1'), 'caf\\xe9', 'its name is not UTF-8'],
    ['half a character', Buffer.from([0xe5, 0x88]), '\\xe5\\x88', 'its name is not UTF-8'],
    ['a long name', Buffer.from('l'.repeat(184)), 'l'.repeat(184), 'its name is longer than 183 characters'],
    ...[
      ...['a b', 'a:b', 'a*', 'a..b', '.a', 'a/.b', 'a.lock', 'a.lock/b', 'a/', '/a', 'a//b', 'a.', 'a@{1}', 'a\\b'],
      ...['a^', 'a~1', 'a?', 'a[b', 'a\x7f', 'a\x01'],
    ].map((name) => [`'${name}'`, Buffer.from(name), name, 'git takes its name for no branch'] as const),
  ])('sets %s apart from its neighbours', (_what, name, shown, why) => {
    const { heads, unwatchable } = readHeads(listed(Buffer.from('before'), name, Buffer.from('after')), 183);
    expect([...heads.keys()]).toEqual(['before', 'after']);
    expect([...unwatchable]).toEqual([[shown, why]]);
  });

  it('leaves out refs that are no branches', () => {
    const other = Buffer.from(`${SHA1}\trefs/tags/v1\nwarning: a line\n${'a'.repeat(41)}\trefs/heads/odd\n\n`);
    expect(readHeads(other, 183)).toEqual({ heads: new Map(), unwatchable: new Map() });
  });
});

describe('objectFormat', () => {
  it.each([
    [[], null],
    [[SHA1], 'sha1'],
    [[SHA256, SHA256], 'sha256'],
  ] as const)('of heads %j is %j', (heads, format) => {
    expect(objectFormat(new Map(heads.map((head, i) => [`branch-${i}`, head])))).toBe(format);
  });
});
