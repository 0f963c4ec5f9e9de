import { describe, expect, it } from '@jest/globals';
import { dataSource } from './data-source.js';

describe('the address of a database', () => {
  it.each([
    ['an unknown scheme', 'mysq://root:hunter2@db/ci'],
    ['no scheme', 'root:hunter2@db'],
    ['a password that breaks the address', 'mysql://root:hun/ter2@db:x/ci'],
    ['a port that is none', 'mariadb://root:hunter2@db:port/ci'],
  ])('with %s is refused, without its password', (_what, url) => {
    const refused = (): unknown => dataSource(url, 1);
    expect(refused).toThrow(expect.objectContaining({ code: 'bad-database-url' }));
    expect(refused).not.toThrow(/hunter2|hun\/ter2/);
  });
});
