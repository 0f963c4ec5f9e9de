import type { ResourceShape } from '@millrace/database';
import { type ReadPath, type Resource, resource, single, smallList } from './resource.js';

interface Unrecorded {
  readonly name: string;
  readonly shape: ResourceShape;
  readonly lists: readonly string[];
  readonly singles: readonly string[];
}

const UNRECORDED: readonly Unrecorded[] = [
  {
    name: 'codebase',
    shape: {
      plural: 'codebases',
      id: 'codebaseid',
      fields: { codebaseid: 'int', name: 'identifier', projectid: 'int', slug: 'identifier' },
    },
    lists: ['codebases'],
    singles: ['codebases/n:codebaseid', 'projects/n:projectid/codebases/s:codebasename'],
  },
  {
    name: 'branch',
    shape: {
      plural: 'branches',
      id: 'branchid',
      fields: { branchid: 'int', codebaseid: 'int', commitid: 'int', last_timestamp: 'time', name: 'string' },
    },
    lists: ['codebases/n:codebaseid/branches'],
    singles: ['branches/n:branchid'],
  },
  {
    name: 'commit',
    shape: {
      plural: 'commits',
      id: 'commitid',
      fields: {
        author: 'string',
        codebaseid: 'int',
        comments: 'string',
        commitid: 'int',
        committer: 'string?',
        parent_commitid: 'int?',
        revision: 'string',
        when_timestamp: 'time',
      },
    },
    lists: ['codebases/n:codebaseid/commits'],
    singles: ['commits/n:commitid', 'codebases/n:codebaseid/commits_by_revision/s:revision'],
  },
  {
    name: 'commit_graph',
    shape: { plural: 'commit_graphs', id: 'common', fields: { common: 'int', to1: 'ints', to2: 'ints' } },
    lists: [],
    singles: ['codebases/n:codebaseid/commit_range/n:commitid1/n:commitid2/commits_common_parent'],
  },
];

/**
 * Resources of which Millrace never has a row: nothing records the commits of codebases. Clients of Buildbot ask for them all the same,
 * and go on with an empty list.
 */
export function unrecorded(): Resource[] {
  return UNRECORDED.map(({ name, shape, lists, singles }) => {
    const reads: ReadPath[] = [
      ...lists.map((path) => smallList(path, async () => [])),
      ...singles.map((path) => single(path, async () => null)),
    ];
    return resource<object>({ name, shape, seen: 'by-everybody', reads });
  });
}
