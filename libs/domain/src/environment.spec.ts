import { describe, expect, it } from '@jest/globals';
import { harmlessEnvironment } from './environment.js';

describe('harmlessEnvironment', () => {
  it.each([
    ['PATH', '/usr/bin', true],
    ['LC_ALL', 'C.UTF-8', true],
    ['XDG_CACHE_HOME', '/c', true],
    ['https_proxy', 'http://proxy:3128', true],
    ['https_proxy', 'http://user:password@proxy:3128', false],
    ['git_proxy', 'http://proxy', false],
    ['MILLRACE_DB', 'mysql://u:p@h/d', false],
    ['GITHUB_TOKEN', 'x', false],
    ['LINUX_1_PASSWORD', 'x', false],
    ['LC_', 'x', false],
    ['NODE_OPTIONS', '--require /tmp/x.js', false],
    ['ALLOWED', 'x', true],
    ['__proto__', 'x', false],
  ])('%s=%s: %s', (name, value, passes) => {
    const env = Object.fromEntries([[name, value]]);
    expect(Object.entries(harmlessEnvironment(env, ['ALLOWED']))).toEqual(passes ? [[name, value]] : []);
  });
});
