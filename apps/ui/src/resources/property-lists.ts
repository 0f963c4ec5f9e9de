import { shapeOf } from '@millrace/database';
import type { Properties } from '@millrace/domain';
import { address, type Resource, resource, type ResourcePorts, smallListBelow } from './resource.js';

/** One property as a row of a list. */
interface PropertyRow {
  readonly name: string;
  readonly source: string;
  /** The value as JSON text. */
  readonly value: string;
}

const SHAPE = shapeOf<PropertyRow>({
  plural: '_properties',
  id: 'name',
  fields: { name: 'string', source: 'string', value: 'string' },
});

/** Properties of builds, buildsets and changes as lists, which can be filtered by name and source. */
export function propertyLists({ reads }: ResourcePorts): Resource {
  const { builds, buildsets, changes } = reads;
  const below = (
    path: 'builds/n:buildid' | 'buildsets/n:bsid' | 'changes/n:changeid',
    last: string,
    read: (id: number) => Promise<Properties | null>,
  ) => smallListBelow([address(path, ([id]) => id)], last, async (id) => rowsOf((await read(id)) ?? {}));
  return resource<PropertyRow>({
    name: '_property',
    shape: SHAPE,
    seen: 'with-the-path',
    reads: [
      ...below('builds/n:buildid', 'property_list', (id) => builds.properties(id)),
      ...below('buildsets/n:bsid', 'properties_list', (id) => buildsets.properties(id)),
      ...below(
        'changes/n:changeid',
        'properties_list',
        async (id) => (await changes.byIds([id]))[0]?.properties ?? null,
      ),
    ],
  });
}

function rowsOf(properties: Properties): PropertyRow[] {
  return Object.entries(properties).map(([name, [value, source]]) => ({ name, source, value: JSON.stringify(value) }));
}
