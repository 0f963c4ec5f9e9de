import type { BuildRequestResource, BuildsetResource } from '@millrace/contracts';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { control } from '../data/api';
import { property, shortRevision } from '../data/format';
import { useLive, useLiveOne } from '../data/live';
import { pendingRequests, waitReason } from '../data/queries';
import { ActionButton, Ago, Branch, BuilderLink, Empty, Loading, More } from './basics';

/** Most build requests for which sources are fetched. */
const BUILDSETS_SHOWN = 150;

/** Most builders of which the page asks why their first request waits. */
const REASONS_SHOWN = 20;

/** Waiting build requests. For a single builder the list is shown only when there are some. */
export function PendingList({ builderId }: { builderId: number | null }): ReactNode {
  const pending = useLive<BuildRequestResource>(pendingRequests(builderId));
  const ids = [...new Set(pending.items?.map((request) => request.buildsetid))].slice(0, BUILDSETS_SHOWN).sort();
  const buildsets = useLive<BuildsetResource>(
    ids.length === 0
      ? null
      : {
          path: `buildsets?limit=${BUILDSETS_SHOWN}&${ids.map((id) => `bsid=${id}`).join('&')}`,
          plural: 'buildsets',
          id: (buildset) => buildset.bsid,
          topics: [],
        },
  );
  const buildsetOf = new Map(buildsets.items?.map((buildset) => [buildset.bsid, buildset]));
  const explained = firstOfBuilders(pending.items ?? []).slice(0, REASONS_SHOWN);
  if (builderId !== null && !pending.items?.length) return null;
  if (!pending.items) return <Loading error={pending.error} />;
  if (pending.items.length === 0) return <Empty>Nothing waits to be built.</Empty>;
  return (
    <section>
      {builderId !== null && <h2>Queue</h2>}
      <div className="scroll-x">
        <table className="rows">
          <thead>
            <tr>
              <th>Request</th>
              {builderId === null && <th>Builder</th>}
              <th className="wide">Source</th>
              <th>Owner</th>
              <th className="right">Priority</th>
              <th className="right">Waits since</th>
              <th />
            </tr>
          </thead>
          <tbody>
            {pending.items.map((request) => (
              <tr key={request.buildrequestid}>
                <td>
                  <Link to={`/requests/${request.uuid}`}>{request.buildrequestid}</Link>
                  {request.attempts > 0 && <span className="muted small"> attempt {request.attempts + 1}</span>}
                </td>
                {builderId === null && (
                  <td>
                    <BuilderLink id={request.builderid} />
                  </td>
                )}
                <td className="wide">
                  <RequestSource request={request} buildset={buildsetOf.get(request.buildsetid)} />
                  {explained.includes(request) && <WaitReason requestId={request.buildrequestid} />}
                </td>
                <td>
                  <span className="cut" title={property(request.properties, 'owner') ?? undefined}>
                    {property(request.properties, 'owner') ?? '–'}
                  </span>
                </td>
                <td className="right num">{request.priority}</td>
                <td className="right muted">
                  <Ago at={request.submitted_at} />
                </td>
                <td className="right">
                  <ActionButton
                    needs="stop"
                    action={() =>
                      control(`buildrequests/${request.buildrequestid}`, 'cancel', {
                        reason: 'cancelled on the queue page',
                      })
                    }
                  >
                    Cancel
                  </ActionButton>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <More live={pending} />
    </section>
  );
}

function firstOfBuilders(requests: readonly BuildRequestResource[]): readonly BuildRequestResource[] {
  const first = new Map<number, BuildRequestResource>();
  for (const request of requests) if (!first.has(request.builderid)) first.set(request.builderid, request);
  return [...first.values()];
}

function WaitReason({ requestId }: { requestId: number }): ReactNode {
  const { item } = useLiveOne(waitReason(requestId));
  return item?.state === 'waiting' && <div className="muted small">{item.text}</div>;
}

function RequestSource({
  request,
  buildset,
}: {
  request: BuildRequestResource;
  buildset: BuildsetResource | undefined;
}): ReactNode {
  const branch = property(request.properties, 'branch');
  const revision = property(request.properties, 'revision');
  const stamps = buildset?.sourcestamps ?? [{ ssid: 0, codebase: '', branch, revision }];
  return (
    <>
      {stamps.map((stamp) => (
        <span key={stamp.ssid}>
          {stamp.codebase} {stamp.branch && <Branch name={stamp.branch} />}{' '}
          {stamp.revision && <code>{shortRevision(stamp.revision)}</code>}{' '}
        </span>
      ))}
      <span className="muted">{buildset?.reason}</span>
    </>
  );
}
