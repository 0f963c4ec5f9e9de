import { type Properties, propertiesFrom } from '@millrace/domain';
import { type WorkerFolders, workerPath } from './worker-path.js';

/** A project, as builds of its builders see it. */
export interface BuiltProject {
  readonly projectId: number;
  readonly name: string;
}

export interface BuiltIn {
  readonly builderId: number;
  /** Null for a builder without a project. */
  readonly project: BuiltProject | null;
  /** The builder's folder below the worker's base directory. */
  readonly builddir: string;
  /** Undefined while the worker is not there yet. */
  readonly folders?: WorkerFolders;
}

/** Returns the properties that every build of a builder on a worker has, with Buildbot's names and sources. */
export function builtInProperties({ builderId, project, builddir, folders }: BuiltIn): Properties {
  return {
    ...propertiesFrom(
      { builderid: builderId, ...(project && { projectid: project.projectId, projectname: project.name }) },
      'Builder',
    ),
    ...(folders && propertiesFrom({ basedir: folders.basedir, builddir: workerPath(folders, builddir, []) }, 'Worker')),
  };
}
