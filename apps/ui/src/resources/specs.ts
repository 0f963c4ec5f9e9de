import { type FieldKind, type FieldType, shapeOf } from '@millrace/database';
import { type Embedded, type Resource, resource, smallList } from './resource.js';

/** One path of the API with its resource. */
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

/** `application.spec`: every path of the API with its resource and the types of its fields, for clients that read it. */
export function specs(others: readonly Resource[]): Resource {
  const itself: Resource = resource<SpecResource>({
    name: 'spec',
    shape: SHAPE,
    seen: 'by-everybody',
    reads: [smallList('application.spec', async () => rows)],
  });
  const all = new Map([...others, itself].map((one) => [one.name, one]));
  const rows = [...all.values()]
    .flatMap((one) => {
      const spec = { plural: one.shape.plural, type: one.name, type_spec: resourceSpec(one, all) };
      return one.paths.map(({ path }): SpecResource => ({ path, ...spec }));
    })
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  return itself;
}

type ByName = ReadonlyMap<string, Resource>;

function resourceSpec({ name, shape, embeds }: Resource, all: ByName): object {
  const fields = Object.entries(shape.fields);
  // The fields of properties are not known in advance.
  if (fields.length === 0) return { name };
  return {
    fields: fields.map(([field, type]) => {
      const canBeNull = type.endsWith('?');
      const embedded = embeds.get(field);
      return { name: field, ...(embedded ? embeddedSpec(embedded, canBeNull, all) : fieldSpec(type, canBeNull)) };
    }),
    type: name,
  };
}

function embeddedSpec({ resource: name, isList }: Embedded, canBeNull: boolean, all: ByName): object {
  const spec = resourceSpec(all.get(name)!, all);
  return isList ? listOf(spec) : orNone(name, spec, canBeNull);
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

function fieldSpec(type: FieldType, canBeNull: boolean): object {
  const kind = type.replace('?', '') as FieldKind;
  if (kind === 'ints' || kind === 'strings') return listOf({ name: kind === 'ints' ? 'integer' : 'string' });
  return orNone(NAMES[kind], { name: NAMES[kind] }, canBeNull);
}

function listOf(of: object): object {
  return { type: 'list', type_spec: { of, type: 'list' } };
}

function orNone(type: string, spec: object, canBeNull: boolean): object {
  return canBeNull ? { type: `${type} or None`, type_spec: { can_be_null: true, ...spec } } : { type, type_spec: spec };
}
