import type { BuildRequestResource, BuildResource } from '@millrace/contracts';
import { type ReactNode, useState } from 'react';
import { Link } from 'react-router';
import { useLive, useLiveOne } from '../data/live';
import { lookOf, lookOfResults, RUNNING, WAITING } from '../data/results';
import { useSite } from '../data/site';
import { Badge, Took } from './basics';

/** Each child is fetched and kept up to date by itself. */
const SHOWN_AT_FIRST = 20;

/** The builds that a step has triggered, by the ids of their requests. */
export function Children({ requestIds }: { requestIds: readonly number[] }): ReactNode {
  const [shown, setShown] = useState(SHOWN_AT_FIRST);
  return (
    <>
      <ol className="steps children" aria-label="Triggered builds">
        {requestIds.slice(0, shown).map((id) => (
          <Child key={id} requestId={id} />
        ))}
      </ol>
      {requestIds.length > shown && (
        <button type="button" onClick={() => setShown(shown + SHOWN_AT_FIRST)}>
          {requestIds.length - shown} more
        </button>
      )}
    </>
  );
}

function Child({ requestId }: { requestId: number }): ReactNode {
  const { builders } = useSite();
  const { item: request } = useLiveOne<BuildRequestResource>({
    path: `buildrequests/${requestId}`,
    plural: 'buildrequests',
    id: (one) => one.buildrequestid,
    topics: [`buildrequests/${requestId}/*`],
  });
  const attempts = useLive<BuildResource>({
    path: `buildrequests/${requestId}/builds`,
    plural: 'builds',
    id: (one) => one.buildid,
    topics: [`buildrequests/${requestId}/builds/*/*`],
    compare: (a, b) => b.buildid - a.buildid,
  });
  const build = attempts.items?.[0];
  if (!request) return null;
  const name = builders.get(request.builderid)?.name ?? `builder ${request.builderid}`;
  const ended = request.complete ? lookOfResults(request.results) : request.claimed ? RUNNING : WAITING;
  const look = build ? lookOf(build) : ended;
  return (
    <li className={`step r-${look.slug}`}>
      <div className="step-head">
        <Badge look={look} />
        <Link to={build ? `/builders/${build.builderid}/builds/${build.number}` : `/buildrequests/${requestId}`}>
          {name} {build && `#${build.number}`}
        </Link>
        <span className="grow muted">{build ? build.state_string : (request.reason ?? 'waits for a worker')}</span>
        {build && (
          <span className="muted when">
            <Took from={build.started_at} to={build.complete_at} />
          </span>
        )}
      </div>
    </li>
  );
}
