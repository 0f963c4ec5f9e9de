import type {
  BuildRequestResource,
  BuildResource,
  ChangeResource,
  MasterResource,
  WaitReasonResource,
} from '@millrace/contracts';
import type { LiveQuery } from './lists';

/** The properties that lists of builds show. */
export const SHOWN_PROPERTIES = ['branch', 'revision', 'got_revision', 'owners', 'workername']
  .map((name) => `property=${name}`)
  .join('&');

const newestFirst = (a: BuildResource, b: BuildResource): number => b.buildid - a.buildid;

export const runningBuilds: LiveQuery<BuildResource> = {
  path: `builds?complete=false&order=-buildid&${SHOWN_PROPERTIES}`,
  plural: 'builds',
  id: (build) => build.buildid,
  topics: ['builds/*/*'],
  keep: (build) => !build.complete,
  compare: newestFirst,
};

export const failedBuilds: LiveQuery<BuildResource> = {
  path: `builds?results=2&results=4&order=-buildid&limit=10&${SHOWN_PROPERTIES}`,
  plural: 'builds',
  id: (build) => build.buildid,
  topics: ['builds/*/*'],
  keep: (build) => build.complete && (build.results === 2 || build.results === 4),
  compare: newestFirst,
  limit: 10,
};

/**
 * Returns the query for a builder's builds.
 * @param results null for all
 */
export function buildsOfBuilder(builderId: number, results: number | null): LiveQuery<BuildResource> {
  const filter = results === null ? '' : `&results=${results}`;
  return {
    path: `builds?builderid=${builderId}${filter}&order=-buildid&limit=50&${SHOWN_PROPERTIES}`,
    plural: 'builds',
    id: (build) => build.buildid,
    topics: [`builders/${builderId}/builds/*/*`],
    keep: (build) => results === null || build.results === results,
    compare: newestFirst,
    limit: 50,
  };
}

export function buildsOfWorker(workerId: number): LiveQuery<BuildResource> {
  return {
    path: `builds?workerid=${workerId}&order=-buildid&limit=50&${SHOWN_PROPERTIES}`,
    plural: 'builds',
    id: (build) => build.buildid,
    topics: [`workers/${workerId}/builds/*/*`],
    compare: newestFirst,
    limit: 50,
  };
}

/**
 * Returns the query for the builds of the waterfall.
 * @param builderIds null for all builders
 */
export function waterfallBuilds(builderIds: readonly number[] | null): LiveQuery<BuildResource> {
  const filter = builderIds ? `${builderIds.map((id) => `builderid=${id}`).join('&')}&` : '';
  const wanted = builderIds && new Set(builderIds);
  return {
    path: `builds?${filter}order=-buildid&limit=150&property=branch&property=revision`,
    plural: 'builds',
    id: (build) => build.buildid,
    topics: ['builds/*/*'],
    keep: (build) => !wanted || wanted.has(build.builderid),
    compare: newestFirst,
    limit: 150,
  };
}

const queueOrder = (a: BuildRequestResource, b: BuildRequestResource): number =>
  b.priority - a.priority || a.buildrequestid - b.buildrequestid;

/**
 * Returns the query for waiting build requests.
 * @param builderId null for all builders
 */
export function pendingRequests(builderId: number | null): LiveQuery<BuildRequestResource> {
  return {
    path: `buildrequests?claimed=false&order=-priority&limit=100&property=*${builderId === null ? '' : `&builderid=${builderId}`}`,
    plural: 'buildrequests',
    id: (request) => request.buildrequestid,
    topics: [builderId === null ? 'buildrequests/*/*' : `builders/${builderId}/buildrequests/*/*`],
    keep: (request) => !request.claimed,
    compare: queueOrder,
    limit: 100,
  };
}

export const newestChanges: LiveQuery<ChangeResource> = {
  path: 'changes?order=-changeid&limit=50',
  plural: 'changes',
  id: (change) => change.changeid,
  topics: ['changes/*/*'],
  compare: (a, b) => b.changeid - a.changeid,
  limit: 50,
};

export const allMasters: LiveQuery<MasterResource> = {
  path: 'masters',
  plural: 'masters',
  id: (master) => master.masterid,
  topics: ['masters/*/*'],
};

/** Returns the query for why a build request waits. */
export function waitReason(requestId: number): LiveQuery<WaitReasonResource> {
  return {
    path: `buildrequests/${requestId}/wait_reason`,
    plural: 'wait_reasons',
    id: (reason) => reason.buildrequestid,
    topics: [],
    refetchEveryMs: 3000,
  };
}
