import { EVENTS, type ProjectResource } from '@millrace/contracts';
import { CATALOG } from '@millrace/database';
import { address, type Resource, resource, type ResourcePorts, smallList } from './resource.js';

export function projects({ reads: { catalog } }: ResourcePorts): Resource {
  const where = async (is: (project: ProjectResource) => boolean): Promise<ProjectResource | null> =>
    (await catalog.projects({ tellActive: false })).find(is) ?? null;
  return resource<ProjectResource>({
    name: 'project',
    shape: CATALOG.projects,
    seen: (rows, sight) => rows.filter(({ projectid }) => sight.seesProject(projectid)),
    one: {
      at: [
        address('projects/n:projectid', ([id]) => id),
        address(
          'projects/s:projectname',
          async ([name]) => (await where((one) => one.name === name))?.projectid ?? null,
        ),
      ],
      read: (id) => where((one) => one.projectid === id),
    },
    events: {
      topic: 'projects.:id.:event',
      names: EVENTS.projects,
      load: () => catalog.projects({ tellActive: false }),
      idOf: (project) => project.projectid,
      keys: (project, event) => [`projects/${project.projectid}/${event}`],
      // They come with the start of a master.
      found: {},
    },
    reads: [
      smallList('projects', (_args, query) =>
        catalog.projects({ tellActive: query.filters.some((filter) => filter.field === 'active') }),
      ),
    ],
  });
}
