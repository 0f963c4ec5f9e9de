import { type Hint, hints } from './hints.js';

/** Returns the hints about a committed buildset. */
export function buildsetCreated(buildset: {
  readonly buildsetId: number;
  readonly requests: readonly { readonly requestId: number; readonly builderId: number }[];
  readonly collapsed: readonly CollapsedAnnouncement[];
}): Hint[] {
  return [
    ...buildset.collapsed.flatMap(requestCollapsed),
    ...buildset.requests.flatMap(({ requestId, builderId }) => [
      hints.request(requestId, builderId, 'new'),
      hints.queued(builderId),
    ]),
    hints.buildset(buildset.buildsetId, 'new'),
  ];
}

interface CollapsedAnnouncement {
  readonly requestId: number;
  readonly builderId: number;
  readonly completedBuildsetId: number | null;
}

/** Returns the hints about a request that was completed because another one builds the same. */
export function requestCollapsed({ requestId, builderId, completedBuildsetId }: CollapsedAnnouncement): Hint[] {
  return [
    hints.request(requestId, builderId, 'complete'),
    ...(completedBuildsetId === null ? [] : [hints.buildset(completedBuildsetId, 'complete')]),
  ];
}

/** Returns the hints about the committed end of an attempt. */
export function attemptEnded(ended: {
  readonly buildId: number;
  readonly requestId: number;
  readonly builderId: number;
  /** True when the request is in the queue again. */
  readonly requeued: boolean;
  readonly completedBuildsetId: number | null;
  /** Locks that somebody else may have now. */
  readonly leftLockIds: readonly number[];
}): Hint[] {
  const { buildId, requestId, builderId, requeued, completedBuildsetId, leftLockIds } = ended;
  return [
    hints.build(buildId, 'finished'),
    hints.request(requestId, builderId, requeued ? 'unclaimed' : 'complete'),
    ...(requeued ? [hints.queued(builderId)] : []),
    ...(completedBuildsetId === null ? [] : [hints.buildset(completedBuildsetId, 'complete')]),
    hints.builder(builderId),
    ...leftLockIds.map((lockId) => hints.lock(lockId)),
  ];
}
