import type { DecisionResource } from '@millrace/contracts';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { useLive } from '../data/live';
import { lookOfResults } from '../data/results';
import { useSite } from '../data/site';
import { Badge, Loading } from './basics';

const SHOWN: Readonly<Record<DecisionResource['decision'], string>> = {
  built: 'builds it',
  waiting: 'waits until the branch is quiet',
  ignored: 'ignores it',
  failed: 'could not decide',
};

/** Says what each scheduler decided about a change, and why: the answer to "why has it no build?". */
export function Decisions({ changeId }: { changeId: number }): ReactNode {
  const site = useSite();
  const { items, error } = useLive<DecisionResource>({
    path: `changes/${changeId}/decisions`,
    plural: 'decisions',
    id: (decision) => decision.schedulerid,
    topics: [],
    refetchEveryMs: 5000,
  });
  if (!items) return <Loading error={error} />;
  if (items.length === 0)
    return <p className="muted">No scheduler has decided about it: there is none, or none has looked at it yet.</p>;
  return (
    <ul className="decisions">
      {items.map((decision) => (
        <li key={decision.schedulerid}>
          <strong>{decision.scheduler}</strong> {SHOWN[decision.decision]}
          {decision.reason !== null && <span className="muted">: {decision.reason}</span>}
          {decision.buildrequests.map(({ uuid, builderid, results }) => (
            <span key={uuid}>
              {' '}
              <Link to={`/requests/${uuid}`}>{site.builders.get(builderid)?.name ?? `builder ${builderid}`}</Link>{' '}
              {results !== null && <Badge look={lookOfResults(results)} />}
            </span>
          ))}
        </li>
      ))}
    </ul>
  );
}
