import type { FieldKind, FieldType } from '@millrace/database';
import { type Embedded, type ReadPath, type Resource } from '../resources/resource.js';

type Schema = Readonly<Record<string, unknown>>;
type Path = Resource['paths'][number];

/** An API, as OpenAPI 3.1 describes it. */
export interface OpenApi {
  readonly openapi: string;
  readonly info: Schema;
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Schema>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/**
 * Describes all resources as an OpenAPI 3.1 document. It is made of the table that answers the requests, because decorators on controllers
 * would have to repeat it.
 */
export function openApi(
  resources: readonly Resource[],
  { url, version }: { readonly url: string; readonly version: string },
): OpenApi {
  const paths: Record<string, Record<string, Schema>> = {};
  const shapes = new Map<string, string>();
  for (const resource of resources) {
    for (const path of resource.paths) {
      const template = templateOf(path.path);
      // Where a number and a name can stand in one place, OpenAPI has one path.
      const shape = template.replace(/\{\w+\}/g, '{}');
      if (shapes.has(shape)) continue;
      shapes.set(shape, template);
      paths[template] = {
        get: getOf(resource, path, resources),
        ...(path.actions.size > 0 ? { post: postOf(resource, path, resources) } : {}),
      };
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Millrace',
      version,
      description: 'The data API: builds and everything around them, with the paths, names and types of Buildbot.',
    },
    servers: [{ url: `${url}/api/v2` }],
    paths,
    components: {
      schemas: { ...Object.fromEntries(resources.map((one) => [one.name, schemaOf(one)])), ...COMMON },
    },
  };
}

const COMMON: Readonly<Record<string, Schema>> = {
  meta: {
    type: 'object',
    properties: {
      total: { type: 'integer', description: 'Number of matching rows up to the end of this page' },
      limit: { type: 'integer', description: 'The limit that held' },
      has_more: { type: 'boolean' },
      next: { type: 'string', description: 'Address of the next page' },
      examined: { type: 'integer', description: 'Number of rows looked at, when no index answers the query' },
      partial: { type: 'boolean', description: 'Whether there are rows that were not looked at and may match' },
    },
  },
  error: {
    type: 'object',
    properties: { error: { type: 'string' }, code: { type: 'string' } },
    required: ['error'],
  },
  property: {
    type: 'array',
    description: 'Value and source of a property',
    prefixItems: [{}, { type: 'string' }],
    minItems: 2,
    maxItems: 2,
  },
};

function templateOf(path: string): string {
  return `/${path}`.replace(/\b[ns]:(\w+)/g, '{$1}');
}

function schemaOf({ shape, embeds }: Resource): Schema {
  const fields = Object.entries(shape.fields);
  // The fields of properties are not known in advance.
  if (fields.length === 0) return { type: 'object', additionalProperties: reference('property') };
  return {
    type: 'object',
    properties: Object.fromEntries(fields.map(([field, type]) => [field, fieldOf(type, embeds.get(field))])),
    required: fields.map(([field]) => field),
  };
}

const KINDS: Readonly<Record<FieldKind, Schema>> = {
  int: { type: 'integer' },
  time: { type: 'integer', description: 'Seconds since 1970, UTC' },
  bool: { type: 'boolean' },
  string: { type: 'string' },
  identifier: { type: 'string', pattern: '^[a-zA-Z_-][a-zA-Z0-9._-]*$' },
  ints: { type: 'array', items: { type: 'integer' } },
  strings: { type: 'array', items: { type: 'string' } },
  json: {},
  properties: { type: 'object', additionalProperties: { $ref: '#/components/schemas/property' } },
};

function fieldOf(type: FieldType, embedded: Embedded | undefined): Schema {
  const kind = KINDS[type.replace('?', '') as FieldKind];
  const schema = embedded ? embeddedOf(embedded) : kind;
  return type.endsWith('?') && schema !== KINDS.json ? { anyOf: [schema, { type: 'null' }] } : schema;
}

function embeddedOf({ resource, isList }: Embedded): Schema {
  return isList ? { type: 'array', items: reference(resource) } : reference(resource);
}

function reference(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

function getOf(resource: Resource, { path, read }: ReadPath, resources: readonly Resource[]): Schema {
  return {
    tags: [resource.shape.plural],
    operationId: `get ${path || 'root'}`,
    parameters: [...pathParameters(path, resources), ...queryParameters(resource, read.kind)],
    responses: {
      200: { description: DESCRIPTIONS[read.kind], content: contentOf(resource, read.kind) },
      ...ERRORS,
    },
  };
}

const DESCRIPTIONS: Readonly<Record<ReadPath['read']['kind'], string>> = {
  list: 'A page of the list',
  rows: 'A page of the list',
  one: 'A list of one',
  lines: 'Lines of a log',
  raw: 'The whole text',
};

const ERRORS = Object.fromEntries(
  [
    [400, 'A mistake in the query'],
    [403, 'The caller may not'],
    [404, 'There is no such path, or nothing there'],
    [503, 'The database is away'],
  ].map(([status, description]) => [
    status,
    { description, content: { 'text/plain': { schema: reference('error') } } },
  ]),
) as Schema;

function contentOf({ name, shape }: Resource, kind: ReadPath['read']['kind']): Schema {
  if (kind === 'raw') return { 'text/plain': { schema: { type: 'string' } } };
  const schema = {
    type: 'object',
    properties: { [shape.plural]: { type: 'array', items: reference(name) }, meta: reference('meta') },
    required: [shape.plural, 'meta'],
  };
  return { 'application/json': { schema } };
}

/** Returns the parameters of a path. One that may be a name as well as a number is text. */
function pathParameters(path: string, resources: readonly Resource[]): Schema[] {
  const segments = path.split('/');
  return segments.flatMap((segment, at) => {
    const [, kind, name] = /^([ns]):(\w+)$/.exec(segment) ?? [];
    if (name === undefined) return [];
    const isNumber = kind === 'n' && !resources.some((one) => one.paths.some((other) => hasName(other, segments, at)));
    const schema = { type: isNumber ? 'integer' : 'string' };
    return [{ name, in: 'path', required: true, schema }];
  });
}

/** Whether a path differs from these segments by a name where they have a number. */
function hasName({ path }: Path, segments: readonly string[], at: number): boolean {
  const others = path.split('/');
  return (
    others.length === segments.length &&
    others[at]!.startsWith('s:') &&
    others.every((other, i) => other[1] === ':' || other === segments[i])
  );
}

const text = (name: string, description: string): Schema => ({
  name,
  in: 'query',
  description,
  schema: { type: 'string' },
});
const several = (name: string, description: string, items: Schema): Schema => ({
  name,
  in: 'query',
  description,
  schema: { type: 'array', items },
  explode: true,
});
const whole = (name: string, description: string): Schema => ({
  name,
  in: 'query',
  description,
  schema: { type: 'integer', minimum: 0 },
});

function queryParameters({ shape }: Resource, kind: ReadPath['read']['kind']): Schema[] {
  const names = Object.keys(shape.fields);
  const field = names.length > 0 ? [several('field', 'Keeps these fields', { enum: names })] : [];
  switch (kind) {
    case 'raw':
      return [];
    case 'lines':
      return [whole('offset', 'First line, from 0'), whole('limit', 'Number of lines')];
    case 'one':
      return hasProperties(shape.fields) ? [...field, PROPERTY] : field;
    case 'list':
    case 'rows':
      return [
        ...field,
        several('order', 'Fields to order by, with - in front from high to low', { type: 'string' }),
        whole('limit', 'Most rows of the page'),
        whole('offset', 'Rows to leave out'),
        text('cursor', 'Where the page before ended, from meta.next'),
        ...(hasProperties(shape.fields) ? [PROPERTY] : []),
        ...Object.entries(shape.fields).flatMap(([name, type]) => filterOf(name, type)),
      ];
  }
}

const PROPERTY = several('property', 'Properties to fill in; * for all', { type: 'string' });

function hasProperties(fields: Resource['shape']['fields']): boolean {
  return Object.values(fields).some((type) => type.startsWith('properties'));
}

function filterOf(name: string, type: FieldType): Schema[] {
  const kind = type.replace('?', '') as FieldKind;
  if (kind === 'json' || kind === 'properties') return [];
  const items = kind === 'ints' ? KINDS.int : kind === 'strings' ? KINDS.string : KINDS[kind];
  const description =
    kind === 'ints' || kind === 'strings'
      ? `${name}__contains: the list has it`
      : 'Any of these. With __ne, __lt, __le, __gt, __ge, __contains, __in or __notin after the name other comparisons';
  return [several(kind === 'ints' || kind === 'strings' ? `${name}__contains` : name, description, items)];
}

function postOf({ shape }: Resource, { path, actions }: Path, resources: readonly Resource[]): Schema {
  const call = {
    type: 'object',
    properties: {
      jsonrpc: { const: '2.0' },
      id: { type: ['string', 'integer', 'null'] },
      method: { enum: [...actions.keys()] },
      params: { type: 'object' },
    },
    required: ['jsonrpc', 'id', 'method', 'params'],
  };
  const answer = { type: 'object', properties: { jsonrpc: { const: '2.0' }, id: {}, result: {}, error: {} } };
  return {
    tags: [shape.plural],
    operationId: `post ${path}`,
    parameters: pathParameters(path, resources),
    requestBody: { required: true, content: { 'application/json': { schema: call } } },
    responses: {
      200: { description: 'The result', content: { 'application/json': { schema: answer } } },
      default: { description: 'The error', content: { 'application/json': { schema: answer } } },
    },
  };
}
