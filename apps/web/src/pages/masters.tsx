import type { MasterResource } from '@millrace/contracts';
import type { ReactNode } from 'react';
import { duration } from '../data/format';
import { useLive, useNow } from '../data/live';
import { allMasters } from '../data/queries';
import { useSite } from '../data/site';
import { Ago, Loading, usePageTitle } from '../parts/basics';

const ROLES = ['scheduler', 'engine', 'ui'];
const allMastersOften = { ...allMasters, refetchEveryMs: 5000 };

export function MastersPage(): ReactNode {
  const site = useSite();
  usePageTitle('Masters');
  // There is no event for a renewed lease, so the list is also polled.
  useLive<MasterResource>(allMastersOften);
  const masters = [...site.masters.values()].sort(
    (a, b) =>
      Number(b.active) - Number(a.active) ||
      ROLES.indexOf(a.role) - ROLES.indexOf(b.role) ||
      a.name.localeCompare(b.name),
  );
  const revisions = new Set(
    masters.filter((master) => master.active && master.revision).map((master) => master.revision),
  );
  return (
    <>
      <h1>Masters</h1>
      {revisions.size > 1 && <p className="notice">Masters work with different configuration revisions.</p>}
      {!site.ready ? (
        <Loading />
      ) : (
        <div className="scroll-x">
          <table className="rows">
            <thead>
              <tr>
                <th>Master</th>
                <th>Role</th>
                <th>State</th>
                <th className="right">Lease</th>
                <th className="right">Up for</th>
                <th>Revision</th>
                <th>Host</th>
                <th>Version</th>
              </tr>
            </thead>
            <tbody>
              {masters.map((master) => (
                <Row key={master.masterid} master={master} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

function Row({ master }: { master: MasterResource }): ReactNode {
  const now = useNow();
  const state = master.active ? master.state : master.state === 'stopped' ? 'stopped' : 'lost: its lease ran out';
  return (
    <tr className={master.active ? undefined : 'faded'}>
      <td>
        <strong>{master.name}</strong>
      </td>
      <td>{master.role}</td>
      <td>
        <span
          className={`dot ${master.active ? (master.state === 'draining' ? 'paused' : 'on') : 'off'}`}
          aria-hidden="true"
        />{' '}
        {state}
      </td>
      <td className="right num">
        {master.active ? `${Math.max(0, master.lease_until - now)} of ${master.lease_duration_s} s` : '–'}
      </td>
      <td className="right num">
        {master.active ? duration(now - master.started_at) : <Ago at={master.last_active} />}
      </td>
      <td>
        {master.revision ? (
          <code title={master.revision}>{master.revision.slice(0, 10)}</code>
        ) : (
          <span className="muted">–</span>
        )}
      </td>
      <td className="muted">
        {master.host}, pid {master.pid}
      </td>
      <td className="muted">{master.version}</td>
    </tr>
  );
}
