import { describe, expect, it } from '@jest/globals';
import { isOfStock, stockPlaceOf, stockPlugins, withoutStockPath } from './stock-paths.js';

describe('withoutStockPath', () => {
  it.each([
    ['/buildbot/api/v2/builds?limit=1', '/api/v2/builds?limit=1'],
    ['/buildbot/ws', '/ws'],
    ['/buildbot/ws?x', '/ws?x'],
    ['/buildbot/auth/login?redirect=/', '/auth/login?redirect=/'],
    ['/buildbot/avatar?email=unknown', '/avatar?email=unknown'],
    ['/buildbot/', '/buildbot/'],
    ['/buildbot/config', '/buildbot/config'],
    ['/buildbot/apish', '/buildbot/apish'],
    ['/api/v2/builds', '/api/v2/builds'],
    ['/builders/buildbot/api', '/builders/buildbot/api'],
  ])('of %s is %s', (url, expected) => {
    expect(withoutStockPath(url)).toBe(expected);
  });
});

describe('isOfStock', () => {
  it.each([
    ['/buildbot', true],
    ['/buildbot?x', true],
    ['/buildbot/auth/login', true],
    ['/buildbots', false],
    ['/', false],
  ])('of %s is %s', (url, expected) => {
    expect(isOfStock(url)).toBe(expected);
  });
});

describe('stockPlaceOf', () => {
  const file = (name: string): object => ({ kind: 'file', file: name });
  it.each([
    ['/buildbot', { kind: 'root' }],
    ['/buildbot/', file('buildbot_www/static/index.html')],
    ['/buildbot/config', { kind: 'config' }],
    ['/buildbot/assets/index.js', file('buildbot_www/static/assets/index.js')],
    ['/buildbot//icon.svg', file('buildbot_www/static/icon.svg')],
    ['/buildbot/plugins/grid_view/scripts.js', file('buildbot_grid_view/static/scripts.js')],
    ['/buildbot/plugins/other/scripts.js', { kind: 'nothing' }],
    ['/buildbot/plugins/grid_view', { kind: 'nothing' }],
    ['/buildbot/plugins/www/../x', { kind: 'nothing' }],
  ])('of %s is %j', (path, expected) => {
    expect(stockPlaceOf(path)).toEqual(expected);
  });
});

it('names the views whose packages are there', () => {
  expect(stockPlugins((name) => name.startsWith('buildbot_grid_view/'))).toEqual({ grid_view: {} });
  expect(Object.keys(stockPlugins(() => true))).toEqual(['waterfall_view', 'console_view', 'grid_view']);
});
