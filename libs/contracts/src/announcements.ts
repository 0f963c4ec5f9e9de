import { type Hint, hints } from './hints.js';

/** Returns the hints about a committed buildset. */
export function buildsetCreated(buildset: {
  readonly buildsetId: number;
  readonly requests: readonly { readonly requestId: number; readonly builderId: number }[];
  readonly collapsed: readonly CompletedRequest[];
}): Hint[] {
  return [
    ...buildset.collapsed.flatMap(requestCompleted),
    ...buildset.requests.flatMap(({ requestId, builderId }) => [
      hints.request(requestId, builderId, 'new'),
      hints.queued(builderId),
    ]),
    hints.buildset(buildset.buildsetId, 'new'),
  ];
}

interface CompletedRequest {
  readonly requestId: number;
  readonly builderId: number;
  readonly completedBuildsetId: number | null;
}

/** Returns the hints about a request that was completed without a build. */
export function requestCompleted({ requestId, builderId, completedBuildsetId }: CompletedRequest): Hint[] {
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
  /** The step that says why the build ended before its steps began, if it did. */
  readonly preparationId: number | null;
  /** Locks that somebody else may have now. */
  readonly leftLockIds: readonly number[];
  readonly children: readonly CancelledRequest[];
}): Hint[] {
  const { buildId, requestId, builderId, requeued, completedBuildsetId, preparationId, leftLockIds, children } = ended;
  return [
    ...(preparationId === null ? [] : [hints.step(buildId, preparationId, 'finished')]),
    hints.build(buildId, 'finished'),
    hints.request(requestId, builderId, requeued ? 'unclaimed' : 'complete'),
    ...(requeued ? [hints.queued(builderId)] : []),
    ...(completedBuildsetId === null ? [] : [hints.buildset(completedBuildsetId, 'complete')]),
    hints.builder(builderId),
    ...leftLockIds.map((lockId) => hints.lock(lockId)),
    ...children.flatMap(requestCancelled),
  ];
}

/** What became of a request that was to be cancelled. */
export type CancelledRequest =
  | {
      readonly outcome: 'cancelled';
      readonly requestId: number;
      readonly builderId: number;
      readonly completedBuildsetId: number | null;
    }
  | { readonly outcome: 'stopping'; readonly masterId: number }
  | { readonly outcome: 'already-complete' };

/** Returns the hints about a committed cancellation. */
export function requestCancelled(cancelled: CancelledRequest): Hint[] {
  switch (cancelled.outcome) {
    case 'already-complete':
      return [];
    case 'stopping':
      return [hints.command(cancelled.masterId)];
    case 'cancelled':
      return requestCompleted(cancelled);
  }
}
