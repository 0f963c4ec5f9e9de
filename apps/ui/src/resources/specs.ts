import { CATALOG_LIMIT, evaluate, type FieldType, type ResourceShape, shapeOf } from '@millrace/database';
import { list, type Resource, resource } from './resource.js';

/** One path of the API, and what it answers with. */
interface SpecResource {
  path: string;
  plural: string;
  type: string;
  type_spec: object;
}

const SHAPE = shapeOf<SpecResource>({
  plural: 'specs',
  id: 'path',
  fields: { path: 'string', plural: 'string', type: 'string', type_spec: 'json' },
});

/** `application.spec`: every path of the API with its resource and the types of its fields, for clients that ask. */
export function specs(others: readonly Resource[]): Resource {
  const itself: Resource = resource<SpecResource>({
    name: 'spec',
    shape: SHAPE,
    reads: [list('application.spec', async (_caller, _args, query) => evaluate(rows, query, CATALOG_LIMIT))],
  });
  const rows = [...others, itself]
    .flatMap(({ name, shape, paths }) => {
      const spec = { plural: shape.plural, type: name, type_spec: typeSpec(name, shape) };
      return paths.map(({ path }): SpecResource => ({ path, ...spec }));
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  return itself;
}

function typeSpec(name: string, { fields }: ResourceShape): object {
  const names = Object.keys(fields);
  // Properties have whatever fields somebody gave them.
  if (names.length === 0) return { name };
  return { fields: names.map((field) => ({ name: field, ...fieldSpec(fields[field]!) })), type: name };
}

const NAMES = {
  int: 'integer',
  time: 'datetime',
  bool: 'boolean',
  string: 'string',
  identifier: 'identifier',
  json: 'jsonobject',
  properties: 'sourcedproperties',
} as const;

function fieldSpec(field: FieldType): object {
  const canBeNull = field.endsWith('?');
  const kind = field.replace('?', '') as keyof typeof NAMES | 'ints' | 'strings';
  if (kind === 'ints' || kind === 'strings') {
    return { type: 'list', type_spec: { of: { name: kind === 'ints' ? 'integer' : 'string' }, type: 'list' } };
  }
  const name = NAMES[kind];
  return canBeNull
    ? { type: `${name} or None`, type_spec: { can_be_null: true, name } }
    : { type: name, type_spec: { name } };
}
