import { describe, expect, it } from '@jest/globals';
import { BUILDS, CATALOG } from '@millrace/database';
import { parseQuery, selectFields } from './query-string.js';

const parse = (query: string, of: 'collection' | 'single' = 'collection') =>
  parseQuery(BUILDS.shape, new URLSearchParams(query), of);

describe('the query grammar', () => {
  it('reads all parts of a query', () => {
    expect(parse('order=-buildid&order=number&limit=5&limit=9&offset=2&property=a&property=b&cursor=1.2')).toEqual({
      fields: null,
      query: {
        filters: [],
        order: [
          { field: 'buildid', descending: true },
          { field: 'number', descending: false },
        ],
        limit: 5,
        offset: 2,
        cursor: '1.2',
        properties: ['a', 'b'],
      },
    });
  });

  it.each([
    ['buildid=3', [{ field: 'buildid', op: 'eq', values: [3] }]],
    ['buildid__eq=+3&buildid=4', [{ field: 'buildid', op: 'eq', values: [3, 4] }]],
    [
      'number__gt=1&number__le=9',
      [
        { field: 'number', op: 'gt', values: [1] },
        { field: 'number', op: 'le', values: [9] },
      ],
    ],
    ['complete=YES', [{ field: 'complete', op: 'eq', values: [true] }]],
    ['complete=0', [{ field: 'complete', op: 'eq', values: [false] }]],
    ['complete=true&complete=false', []],
    ['state_string__contains=a+b', [{ field: 'state_string', op: 'contains', values: ['a b'] }]],
  ])('filters %s', (query, filters) => {
    expect(parse(query).query.filters).toEqual(filters);
  });

  it('takes a negative limit for none, and the first of several', () => {
    expect(parse('limit=-1&limit=5').query.limit).toBeNull();
    expect(parse('limit=0&limit=5').query.limit).toBe(0);
  });

  it.each([
    ['field=nope', `no such field 'nope'`],
    ['field=', `no such field ''`],
    ['field=toString', `no such field 'toString'`],
    ['order=nope', `no such field 'nope'`],
    ['order=properties', `cannot order by 'properties'`],
    ['limit=-x', 'invalid limit'],
    ['offset=-1', 'invalid offset'],
    ['limit=1e3', 'invalid limit'],
    ['offset=x', 'invalid offset'],
    ['buildid=', 'invalid filter value for buildid'],
    ['results=null', 'invalid filter value for results'],
    ['complete=maybe', 'invalid filter value for complete'],
    ...['constructor', 'toString', '__proto__', 'hasOwnProperty', 'valueOf'].flatMap((name) => [
      [`complete=${name}`, 'invalid filter value for complete'],
      [`${name}=1`, `unrecognized query parameter '${name}'`],
      [`${name}__eq=1`, `unrecognized query parameter '${name}__eq'`],
      [`buildid__${name}=1`, name.startsWith('_') ? 'unrecognized' : `unknown operator '${name}'`],
      [`field=${name}`, `no such field '${name}'`],
      [`order=-${name}`, `no such field '${name}'`],
    ]),
    ['buildid=1&'.repeat(501), 'at most 500'],
    ['order=buildid&'.repeat(11), `more than 10 times 'order'`],
    ['properties=x', `cannot filter by 'properties'`],
    ['nope=1', `unrecognized query parameter 'nope'`],
    ['nope__eq=1', `unrecognized query parameter 'nope__eq'`],
    ['buildid__regex=1', `unknown operator 'regex'`],
    ['field=buildid&order=number', 'cannot order on un-selected fields'],
    ['field=buildid&number=1', 'cannot filter on un-selected fields'],
  ])('refuses %s', (query, message) => {
    expect(() => parse(query)).toThrow(message);
  });

  it('refuses filters for a single resource, and ignores other parameters', () => {
    expect(() => parse('buildid=1', 'single')).toThrow('this is not a collection');
    expect(parse('limit=1&order=buildid&field=buildid&property=x', 'single')).toMatchObject({
      fields: ['buildid'],
      query: { limit: null, order: [], properties: ['x'] },
    });
  });

  it('checks identifiers', () => {
    const workers = (query: string) => parseQuery(CATALOG.workers, new URLSearchParams(query), 'collection');
    expect(workers('name=w-1').query.filters).toHaveLength(1);
    expect(() => workers('name=w%201')).toThrow('invalid filter value for name');
  });

  it('keeps the requested fields', () => {
    expect(selectFields({ a: 1, b: 2, c: 3 }, ['c', 'a'])).toEqual({ a: 1, c: 3 });
    expect(selectFields({ a: 1 }, null)).toEqual({ a: 1 });
  });
});
