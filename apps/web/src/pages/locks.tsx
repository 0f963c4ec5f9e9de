import type { LockPartyResource, LockResource } from '@millrace/contracts';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { useLive } from '../data/live';
import { Ago, Empty, Loading, usePageTitle, WorkerLink } from '../parts/basics';

/** The locks: who has each, and who waits for it, in the order in which they get it. */
export function LocksPage(): ReactNode {
  usePageTitle('Locks');
  // There is no event for a lock, so the list is polled.
  const locks = useLive<LockResource>({
    path: 'locks',
    plural: 'locks',
    id: (lock) => lock.lockid,
    topics: [],
    refetchEveryMs: 3000,
  });
  return (
    <>
      <h1>Locks</h1>
      {!locks.items && <Loading error={locks.error} />}
      {locks.items?.length === 0 && <Empty>No lock is configured.</Empty>}
      {locks.items && locks.items.length > 0 && (
        <div className="scroll-x">
          <table className="rows">
            <thead>
              <tr>
                <th>Lock</th>
                <th className="right">At most</th>
                <th className="wide">Taken by</th>
                <th className="wide">Waited for by</th>
              </tr>
            </thead>
            <tbody>
              {locks.items.map((lock) => (
                <Row key={lock.lockid} lock={lock} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

function Row({ lock }: { lock: LockResource }): ReactNode {
  return (
    <tr>
      <td>
        <strong>{lock.name}</strong>
        {lock.kind === 'worker-lock' && <span className="muted"> on each worker</span>}
      </td>
      <td className="right num" title={lock.resources.join(', ') || undefined}>
        {lock.max_count}
      </td>
      <td className="wide">
        {lock.holders.length === 0 && <span className="muted">nobody</span>}
        {lock.holders.map((holder) => (
          <div key={keyOf(holder)}>
            <Party party={holder} />
            {holder.resources.length > 0 && `, ${holder.resources.join(', ')}`}{' '}
            <span className="muted">
              <Ago at={holder.taken_at} />
            </span>
          </div>
        ))}
      </td>
      <td className="wide">
        {lock.waiters.map((waiter) => (
          <div key={keyOf(waiter)}>
            <Party party={waiter} />{' '}
            <span className="muted">
              <Ago at={waiter.since} />
            </span>
          </div>
        ))}
      </td>
    </tr>
  );
}

function Party({ party }: { party: LockPartyResource }): ReactNode {
  const { builder_name: builder, builderid, build_number: number, step_number: step, mode, count, workerid } = party;
  return (
    <>
      {number === null ? (
        <Link to={`/builders/${builderid}`}>{builder}</Link>
      ) : (
        <Link to={`/builders/${builderid}/builds/${number}`}>
          {builder} #{number}
        </Link>
      )}
      {step !== null && `, step ${step}`}
      {mode === 'exclusive' ? ', alone' : count > 1 && `, ${count} units`}
      {workerid !== null && (
        <>
          {' '}
          on <WorkerLink id={workerid} />
        </>
      )}
    </>
  );
}

function keyOf({ buildrequestid, step_number: step, workerid }: LockPartyResource): string {
  return `${buildrequestid}/${step}/${workerid}`;
}
