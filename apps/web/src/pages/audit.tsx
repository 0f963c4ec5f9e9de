import type { AuditResource } from '@millrace/contracts';
import type { ReactNode } from 'react';
import { useLive } from '../data/live';
import type { LiveQuery } from '../data/lists';
import { useRefusal } from '../data/site';
import { Ago, Empty, Loading, More, usePageTitle } from '../parts/basics';

const newestEntries: LiveQuery<AuditResource> = {
  path: 'audit?order=-auditid&limit=50',
  plural: 'audit',
  id: (entry) => entry.auditid,
  topics: [],
  compare: (a, b) => b.auditid - a.auditid,
};

const DOTS: Readonly<Record<AuditResource['outcome'], string>> = {
  begun: 'paused',
  done: 'on',
  failed: 'off',
  refused: 'off',
};

/** Who did what, when and from where. */
export function AuditPage(): ReactNode {
  usePageTitle('Audit log');
  const refusal = useRefusal('audit');
  return (
    <>
      <h1>Audit log</h1>
      {refusal === null ? <Entries /> : <p className="error">{refusal}</p>}
    </>
  );
}

function Entries(): ReactNode {
  const entries = useLive(newestEntries);
  const { items } = entries;
  if (!items) return <Loading error={entries.error} />;
  if (items.length === 0) return <Empty>Nobody has done anything yet.</Empty>;
  return (
    <>
      <div className="scroll-x">
        <table className="rows">
          <thead>
            <tr>
              <th>Who</th>
              <th>From</th>
              <th>What</th>
              <th className="wide">Outcome</th>
              <th className="right">When</th>
            </tr>
          </thead>
          <tbody>
            {items.map((entry) => (
              <tr key={entry.auditid}>
                <td>
                  {entry.username ?? 'a stranger'}
                  {entry.via === 'token' && <span className="muted"> (token {entry.tokenid})</span>}
                  {entry.via === 'cli' && <span className="muted"> (command line)</span>}
                </td>
                <td className="muted">{entry.address}</td>
                <td title={JSON.stringify(entry.params)}>
                  {entry.action} {entry.target}
                </td>
                <td className="wide">
                  <span className={`dot ${DOTS[entry.outcome]}`} aria-hidden="true" /> {entry.outcome}
                  {entry.error !== null && <span className="muted">: {entry.error}</span>}
                </td>
                <td className="right muted">
                  <Ago at={entry.at} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <More live={entries} />
    </>
  );
}
