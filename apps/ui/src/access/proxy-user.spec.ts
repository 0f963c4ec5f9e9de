import { describe, expect, it } from '@jest/globals';
import { proxyUser } from './proxy-user.js';

const proxy = {
  from: ['10.0.0.5', '2001:db8::1'],
  userHeader: 'x-user',
  emailHeader: 'x-email',
  groupsHeader: 'x-groups',
};
const ANN = { username: 'ann', fullName: null, email: null, groups: [] };

describe('proxyUser', () => {
  it.each<[string, Record<string, string>, string, object | null]>([
    ['the header of the proxy', { 'x-user': 'ann' }, '10.0.0.5', ANN],
    ['its other address, however it is written', { 'x-user': 'ann' }, '2001:0db8:0::1', ANN],
    ['the same of anybody else', { 'x-user': 'ann' }, '10.0.0.6', null],
    ['no header', {}, '10.0.0.5', null],
    ['an empty one', { 'x-user': ' ' }, '10.0.0.5', null],
    ['one that came twice', { 'x-user': 'ann, root' }, '10.0.0.5', null],
    ['no address at all', { 'x-user': 'ann' }, '', null],
    ['an address of e-mail', { 'x-user': 'ann', 'x-email': 'a@b.c' }, '10.0.0.5', { ...ANN, email: 'a@b.c' }],
    ['one that is none', { 'x-user': 'ann', 'x-email': 'a@b.c, d@e.f' }, '10.0.0.5', ANN],
    ['groups', { 'x-user': 'ann', 'x-groups': 'admins, qa,,' }, '10.0.0.5', { ...ANN, groups: ['admins', 'qa'] }],
  ])('knows people by %s', (_name, headers, address, account) => {
    expect(proxyUser(proxy, headers, address)).toEqual(account);
  });
});
