import { describe, expect, it } from '@jest/globals';
import { shapeOf } from '@millrace/database';
import { address, list, type Resource, resource } from '../resources/resource.js';
import { openApi } from './openapi.js';
import { openApiPage } from './openapi-page.js';

interface Thing {
  thingid: number;
  name: string | null;
  tags: string[];
  part: object;
}

const RESOURCES: readonly Resource[] = [
  resource<Thing>({
    name: 'thing',
    shape: shapeOf<Thing>({
      plural: 'things',
      id: 'thingid',
      fields: { name: 'string?', part: 'json', tags: 'strings', thingid: 'int' },
    }),
    seen: 'by-everybody',
    embeds: { part: { resource: 'thing', isList: false } },
    one: {
      at: [address('things/n:thingid', ([id]) => id), address('things/s:name', () => 1)],
      read: async () => null,
    },
    reads: [list('things', async () => null)],
    actions: { stop: { permission: 'stop', params: null, run: async () => null } },
  }),
];

describe('the description of the API', () => {
  const document = openApi(RESOURCES, { url: 'http://ci.example.org', version: '1.2.3' });

  it('has a path once, where a number and a name can stand', () => {
    expect(Object.keys(document.paths)).toEqual(['/things/{thingid}', '/things']);
    const { get, post } = document.paths['/things/{thingid}']!;
    expect(get!['parameters']).toContainEqual({
      name: 'thingid',
      in: 'path',
      required: true,
      schema: { type: 'string' },
    });
    expect(JSON.stringify(post)).toContain('"enum":["stop"]');
    expect(document.paths['/things']).not.toHaveProperty('post');
  });

  it('has the filters of every field that can be filtered by', () => {
    const names = (document.paths['/things']!['get']!['parameters'] as { name: string }[]).map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining(['field', 'order', 'limit', 'cursor', 'name', 'thingid', 'tags__contains']),
    );
    expect(names).not.toContain('part');
    expect(names).not.toContain('property');
  });

  it('has the types of all fields', () => {
    expect(document.components.schemas['thing']).toEqual({
      type: 'object',
      properties: {
        name: { anyOf: [{ type: 'string' }, { type: 'null' }] },
        part: { $ref: '#/components/schemas/thing' },
        tags: { type: 'array', items: { type: 'string' } },
        thingid: { type: 'integer' },
      },
      required: ['name', 'part', 'tags', 'thingid'],
    });
  });

  it('is a page without scripts', () => {
    const page = openApiPage(openApi(RESOURCES, { url: 'http://ci.example.org', version: '<b>' }));
    expect(page).toContain('<code>/things/{thingid}</code>');
    expect(page).toContain('&lt;b&gt;');
    expect(page).not.toContain('<b>');
  });
});
