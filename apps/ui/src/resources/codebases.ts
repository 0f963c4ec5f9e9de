import type { BranchResource, CodebaseResource, CommitGraphResource, CommitResource } from '@millrace/contracts';
import { BRANCHES, CODEBASE_SHAPE, COMMIT_GRAPH_SHAPE, COMMITS, withFilter } from '@millrace/database';
import { address, list, type Resource, resource, type ResourcePorts, single, smallList } from './resource.js';

/** The codebases whose commits are recorded. */
export function codebases({ reads }: ResourcePorts): Resource {
  const all = (): Promise<CodebaseResource[]> => reads.codebases.codebases();
  return resource<CodebaseResource>({
    name: 'codebase',
    shape: CODEBASE_SHAPE,
    seen: (rows, sight) => rows.filter(({ projectid }) => sight.seesProject(projectid)),
    one: {
      at: [address('codebases/n:codebaseid', ([id]) => id)],
      read: async (id) => (await all()).find(({ codebaseid }) => codebaseid === id) ?? null,
    },
    reads: [
      smallList('codebases', all),
      single(
        'projects/n:projectid/codebases/s:codebasename',
        async ([projectId, name]) =>
          (await all()).find((one) => one.projectid === projectId && one.name === name) ?? null,
      ),
    ],
  });
}

/** Branches of codebases. */
export function branches({ reads }: ResourcePorts): Resource {
  return resource<BranchResource>({
    name: 'branch',
    shape: BRANCHES.shape,
    seen: 'with-the-path',
    one: {
      at: [address('branches/n:branchid', ([id]) => id)],
      read: (id) => reads.codebases.branch(id),
    },
    reads: [
      list('codebases/n:codebaseid/branches', ([id], query) =>
        reads.codebases.branches(withFilter(query, 'codebaseid', id)),
      ),
    ],
  });
}

/** Commits of codebases. */
export function commits({ reads }: ResourcePorts): Resource {
  return resource<CommitResource>({
    name: 'commit',
    shape: COMMITS.shape,
    seen: 'with-the-path',
    one: {
      at: [address('commits/n:commitid', ([id]) => id)],
      read: (id) => reads.codebases.commit(id),
    },
    reads: [
      list('codebases/n:codebaseid/commits', ([id], query) =>
        reads.codebases.commits(withFilter(query, 'codebaseid', id)),
      ),
      single('codebases/n:codebaseid/commits_by_revision/s:revision', ([id, revision]) =>
        reads.codebases.commitByRevision(id, revision),
      ),
    ],
  });
}

/** How two commits come from the same one. */
export function commitGraphs({ reads }: ResourcePorts): Resource {
  return resource<CommitGraphResource>({
    name: 'commit_graph',
    shape: COMMIT_GRAPH_SHAPE,
    seen: 'with-the-path',
    reads: [
      single(
        'codebases/n:codebaseid/commit_range/n:commitid1/n:commitid2/commits_common_parent',
        ([id, first, second]) => reads.codebases.commonParent(id, first, second),
      ),
    ],
  });
}
