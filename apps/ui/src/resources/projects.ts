import type { ProjectResource } from '@millrace/contracts';
import { CATALOG, CATALOG_LIMIT, evaluate } from '@millrace/database';
import { address, list, type Resource, resource, type ResourcePorts } from './resource.js';

export function projects({ reads: { catalog } }: ResourcePorts): Resource {
  const where = async (is: (project: ProjectResource) => boolean): Promise<ProjectResource | null> =>
    (await catalog.projects({ tellActive: false })).find(is) ?? null;
  return resource<ProjectResource>({
    name: 'project',
    shape: CATALOG.projects,
    one: {
      at: [
        address('projects/n:projectid', ([id]) => id),
        address(
          'projects/s:projectname',
          async ([name]) => (await where((one) => one.name === name))?.projectid ?? null,
        ),
      ],
      read: (_caller, id) => where((one) => one.projectid === id),
    },
    reads: [
      list('projects', async (_caller, _args, query) => {
        const tellActive = query.filters.some((filter) => filter.field === 'active');
        return evaluate(await catalog.projects({ tellActive }), query, CATALOG_LIMIT);
      }),
    ],
  });
}
