import { shapeOf } from '@millrace/database';
import { type Resource, resource, smallList } from './resource.js';

const ROOTS =
  'builders builds buildrequests buildsets workers changes changesources masters sourcestamps schedulers forceschedulers projects';

/** The links to the API's roots. */
export function rootlinks(): Resource {
  return resource<{ name: string }>({
    name: 'rootlink',
    shape: shapeOf<{ name: string }>({ plural: 'rootlinks', id: 'name', fields: { name: 'string' } }),
    seen: 'by-everybody',
    reads: [smallList('', async () => ROOTS.split(' ').map((name) => ({ name })))],
  });
}
