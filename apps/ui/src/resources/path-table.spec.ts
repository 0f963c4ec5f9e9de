import { describe, expect, it } from '@jest/globals';
import { PathTable } from './path-table.js';

const table = new PathTable<string>();
for (const pattern of [
  '',
  'builds',
  'builders/n:builderid',
  'builders/s:name',
  'builders/n:builderid/builds',
  'builders/s:name/builds',
  'builds/n:buildid/steps/s:name',
]) {
  table.add(pattern, pattern);
}

describe('PathTable', () => {
  it.each([
    ['', '', []],
    ['builds', 'builds', []],
    ['builders/5', 'builders/n:builderid', [5]],
    ['builders/+5', 'builders/n:builderid', [5]],
    ['builders/linux', 'builders/s:name', ['linux']],
    ['builders/a%2Fb%20c/builds', 'builders/s:name/builds', ['a/b c']],
    ['builds/1/steps/test', 'builds/n:buildid/steps/s:name', [1, 'test']],
  ])('finds %s', (path, target, args) => {
    expect(table.find(path)).toEqual({ target, args });
  });

  it.each(['builds/', 'builds/x/steps/test', 'nosuch', 'builders/5/builds/6', 'builders/%E0%A4%A'])(
    'does not find %s',
    (path) => {
      expect(table.find(path)).toBeNull();
    },
  );
});
