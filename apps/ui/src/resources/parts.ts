import { type FieldType } from '@millrace/database';
import { type Resource, resource } from './resource.js';

/** Objects inside of other resources, by name. They have no paths of their own. */
const PARTS: Readonly<Record<string, Readonly<Record<string, FieldType>>>> = {
  patch: {
    author: 'string',
    body: 'string',
    comment: 'string',
    level: 'int',
    patchid: 'int',
    subdir: 'string',
  },
  master_builder: { builderid: 'int', masterid: 'int' },
  master_id: { masterid: 'int' },
};

/** Returns the parts of other resources, for the descriptions of the API. */
export function parts(): Resource[] {
  return Object.entries(PARTS).map(([name, fields]) =>
    resource<object>({ name, shape: { plural: name, id: '', fields }, seen: 'by-everybody' }),
  );
}
