import {
  type BranchResource,
  type CodebaseResource,
  type CommitGraphResource,
  type CommitResource,
  EVENTS,
} from '@millrace/contracts';
import { BRANCHES, CODEBASE_SHAPE, COMMIT_GRAPH_SHAPE, COMMITS, withFilter } from '@millrace/database';
import type { Reads } from '../reads.js';
import { address, list, type Resource, resource, type ResourcePorts, single, smallList } from './resource.js';
import type { Seen } from './seen.js';

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
    events: {
      topic: 'codebases.:id.:event',
      names: EVENTS.codebases,
      load: all,
      idOf: (codebase) => codebase.codebaseid,
      keys: ({ codebaseid }, event) => [`codebases/${codebaseid}/${event}`],
      // They come with the start of a master.
      found: {},
    },
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
    events: {
      topic: 'branches.:id.:event',
      names: EVENTS.branches,
      load: (ids) => reads.codebases.branchesByIds(ids),
      idOf: (branch) => branch.branchid,
      keys: ({ branchid }, event) => [`branches/${branchid}/${event}`],
      seen: ofSeenCodebases(reads),
      // They come with the change that moves the branch.
      found: {},
    },
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
    events: {
      topic: 'commits.:id.:event',
      names: EVENTS.commits,
      load: (ids) => reads.codebases.commitsByIds(ids),
      idOf: (commit) => commit.commitid,
      keys: ({ codebaseid, commitid }, event) => [
        `commits/${commitid}/${event}`,
        `codebases/${codebaseid}/commits/${commitid}/${event}`,
      ],
      seen: ofSeenCodebases(reads),
      // They come with their changes.
      found: {},
    },
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

/** Returns rows of the codebases whose project somebody sees. */
function ofSeenCodebases<Row extends { readonly codebaseid: number }>({ codebases }: Reads): Seen<Row> {
  return async (rows, sight) => {
    const all = await codebases.codebases();
    const seen = new Set(all.flatMap((one) => (sight.seesProject(one.projectid) ? [one.codebaseid] : [])));
    return rows.filter(({ codebaseid }) => seen.has(codebaseid));
  };
}
