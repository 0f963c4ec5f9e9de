import { describe, expect, it } from '@jest/globals';
import { isAllowed, type Roles } from './permissions.js';

const ROLES: Roles = {
  master: { 'org.millrace.': ['publish', 'subscribe'] },
  reader: { '': ['subscribe'], 'org.millrace.secret.': [] },
};

describe('isAllowed', () => {
  it.each<[role: string, action: 'publish' | 'subscribe' | 'call', uri: string, allowed: boolean]>([
    ['master', 'publish', 'org.millrace.a', true],
    ['master', 'call', 'org.millrace.a', false],
    ['master', 'publish', 'org.millrace', false],
    ['master', 'subscribe', 'org.millrace.', true],
    ['master', 'subscribe', 'org.', false],
    ['reader', 'subscribe', 'anything', true],
    ['reader', 'subscribe', 'org.millrace.secret.x', false],
    ['reader', 'publish', 'anything', false],
    ['nobody', 'publish', 'org.millrace.a', false],
    ['constructor', 'publish', 'org.millrace.a', false],
  ])('%s may %s %s: %s', (role, action, uri, allowed) => {
    expect(isAllowed(ROLES, role, action, uri)).toBe(allowed);
  });
});
