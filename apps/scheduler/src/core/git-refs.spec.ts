import { describe, expect, it } from '@jest/globals';
import { chosenName, fullRef, isTag, objectFormat, readRefs } from './git-refs.js';

const SHA1 = 'a'.repeat(40);
const SHA256 = 'b'.repeat(64);
const listed = (...names: Buffer[]): Buffer =>
  Buffer.concat(names.flatMap((name) => [Buffer.from(`${SHA1}\trefs/heads/`), name, Buffer.from('\n')]));

describe('readRefs', () => {
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
    expect(readRefs(listed(Buffer.from(name)), 183)).toEqual({
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
    const { heads, unwatchable } = readRefs(listed(Buffer.from('before'), name, Buffer.from('after')), 183);
    expect([...heads.keys()]).toEqual(['before', 'after']);
    expect([...unwatchable]).toEqual([[shown, why]]);
  });

  it('takes a tag for what it leads to', () => {
    const text = `${SHA1}\trefs/tags/v1\n${'c'.repeat(40)}\trefs/tags/v1^{}\n${SHA1}\trefs/tags/light\n${SHA1}\trefs/tags/a^b\n`;
    expect(readRefs(Buffer.from(text), 183)).toEqual({
      heads: new Map([
        ['refs/tags/v1', 'c'.repeat(40)],
        ['refs/tags/light', SHA1],
      ]),
      unwatchable: new Map([['refs/tags/a^b', 'git takes its name for no tag']]),
    });
  });

  it('does not mistake a branch for a tag', () => {
    expect([...readRefs(listed(Buffer.from('refs/tags/v1')), 183).unwatchable]).toEqual([
      ['refs/tags/v1', 'its name is that of a tag'],
    ]);
    expect(['refs/tags/v1', 'v1'].map((name) => [isTag(name), chosenName(name), fullRef(name)])).toEqual([
      [true, 'v1', 'refs/tags/v1'],
      [false, 'v1', 'refs/heads/v1'],
    ]);
  });

  it('leaves out other refs', () => {
    const other = Buffer.from(`${SHA1}\trefs/notes/v1\nwarning: a line\n${'a'.repeat(41)}\trefs/heads/odd\n\n`);
    expect(readRefs(other, 183)).toEqual({ heads: new Map(), unwatchable: new Map() });
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
