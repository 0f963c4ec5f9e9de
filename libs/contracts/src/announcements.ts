import { type Hint, hints } from './hints.js';

/** What everybody hears of a buildset that has been committed. */
export function buildsetCreated(buildset: {
  readonly buildsetId: number;
  readonly requests: readonly { readonly requestId: number; readonly builderId: number }[];
}): Hint[] {
  return [
    ...buildset.requests.flatMap(({ requestId, builderId }) => [
      hints.request(requestId, builderId, 'new'),
      hints.queued(builderId),
    ]),
    hints.buildset(buildset.buildsetId, 'new'),
  ];
}

/** What everybody hears of the end of an attempt that has been committed. */
export function attemptEnded(ended: {
  readonly buildId: number;
  readonly requestId: number;
  readonly builderId: number;
  /** Its request waits in the queue again. */
  readonly requeued: boolean;
  readonly completedBuildsetId: number | null;
}): Hint[] {
  const { buildId, requestId, builderId, requeued, completedBuildsetId } = ended;
  return [
    hints.build(buildId, 'finished'),
    hints.request(requestId, builderId, requeued ? 'unclaimed' : 'complete'),
    ...(requeued ? [hints.queued(builderId)] : []),
    ...(completedBuildsetId === null ? [] : [hints.buildset(completedBuildsetId, 'complete')]),
    hints.builder(builderId),
  ];
}
