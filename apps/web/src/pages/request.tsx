import type { BuildRequestResource, BuildResource, BuildsetResource, PatchResource } from '@millrace/contracts';
import type { ReactNode } from 'react';
import { Link, useParams } from 'react-router';
import { control } from '../data/api';
import { useLive, useLiveOne } from '../data/live';
import { SHOWN_PROPERTIES, waitReason } from '../data/queries';
import { lookOfResults, RUNNING, WAITING } from '../data/results';
import { ActionButton, Ago, Badge, Branch, BuilderLink, Empty, Loading, usePageTitle } from '../parts/basics';
import { BuildTable } from '../parts/build-table';
import { NotFoundPage } from './not-found';

/** The page behind a trigger's link. It shows a build request from before any engine has seen it (I6). */
export function RequestPage(): ReactNode {
  const { uuid = '' } = useParams();
  const { item: request, error } = useLiveOne<BuildRequestResource>({
    path: `buildrequests/${encodeURIComponent(uuid)}?property=*`,
    plural: 'buildrequests',
    id: (one) => one.buildrequestid,
    topics: /^\d+$/.test(uuid) ? [`buildrequests/${uuid}/*`] : [],
  });
  if (request === null) return <NotFoundPage what="There is no such build request." />;
  if (!request) return <Loading error={error} />;
  return <Request key={request.buildrequestid} initial={request} />;
}

function Request({ initial }: { initial: BuildRequestResource }): ReactNode {
  const id = initial.buildrequestid;
  const { item } = useLiveOne<BuildRequestResource>({
    path: `buildrequests/${id}`,
    plural: 'buildrequests',
    id: (one) => one.buildrequestid,
    topics: [`buildrequests/${id}/*`],
  });
  const request = item ?? initial;
  const { item: buildset } = useLiveOne<BuildsetResource>({
    path: `buildsets/${request.buildsetid}`,
    plural: 'buildsets',
    id: (one) => one.bsid,
    topics: [],
  });
  const look = request.complete ? lookOfResults(request.results) : request.claimed ? RUNNING : WAITING;
  usePageTitle(
    `Request ${id}`,
    request.complete ? (request.results === 2 || request.results === 4 ? 'failing' : 'ok') : 'running',
  );
  return (
    <>
      <header className="page-head">
        <div>
          <p className="crumbs">
            <BuilderLink id={request.builderid} />
          </p>
          <h1>
            Build request {id} <Badge look={look} />
          </h1>
          {buildset && <p className="lead">{buildset.reason}</p>}
        </div>
        <div className="actions">
          {!request.complete && (
            <ActionButton
              needs="stop"
              className="danger"
              action={() => control(`buildrequests/${id}`, 'cancel', { reason: 'cancelled on its page' })}
              confirm={request.claimed ? 'Stop the build that is running?' : undefined}
            >
              Cancel
            </ActionButton>
          )}
        </div>
      </header>
      {!request.complete && !request.claimed && <Waiting request={request} />}
      {request.collapsed_into_buildrequestid === null ? (
        request.reason && <p className="notice">{request.reason}</p>
      ) : (
        <p className="notice">
          {request.collapsed_into_buildrequestid > id ? 'Collapsed into' : 'Not built again, but kept from'}{' '}
          <Link to={`/requests/${request.collapsed_into_buildrequestid}`}>
            build request {request.collapsed_into_buildrequestid}
          </Link>
          {request.collapsed_into_buildrequestid > id ? ', which is newer and builds the same.' : ', which was good.'}
        </p>
      )}
      <dl className="facts">
        <dt>Submitted</dt>
        <dd>
          <Ago at={request.submitted_at} />
        </dd>
        <dt>Priority</dt>
        <dd>{request.priority}</dd>
        {buildset?.sourcestamps.map((stamp) => (
          <div key={stamp.ssid} className="contents">
            <dt>Source{stamp.codebase && ` of ${stamp.codebase}`}</dt>
            <dd>
              {stamp.branch && <Branch name={stamp.branch} />} {stamp.revision && <code>{stamp.revision}</code>}{' '}
              <span className="muted">{stamp.repository || (stamp.branch || stamp.revision ? '' : '–')}</span>
              {stamp.patch && <PatchText patch={stamp.patch} />}
            </dd>
          </div>
        ))}
        <dt>Link</dt>
        <dd>
          <Link to={`/requests/${request.uuid}`}>
            <code>/requests/{request.uuid}</code>
          </Link>
        </dd>
      </dl>
      <Builds request={request} />
    </>
  );
}

/** A patch, and who made it. */
function PatchText({ patch }: { patch: PatchResource }): ReactNode {
  const { author, comment, subdir, body } = patch;
  return (
    <details>
      <summary>
        with a patch{author && ` by ${author}`}
        {comment && `: ${comment}`}
        {subdir !== '' && subdir !== '.' && ` in ${subdir}`}
      </summary>
      <pre>{body}</pre>
    </details>
  );
}

/** The builds of a request, or of the one that it was collapsed into, which may be collapsed while it is shown. */
function Builds({ request }: { request: BuildRequestResource }): ReactNode {
  const into = request.collapsed_into_buildrequestid;
  const { item, error } = useLiveOne<BuildRequestResource>(
    into === null
      ? null
      : {
          path: `buildrequests/${into}`,
          plural: 'buildrequests',
          id: (one) => one.buildrequestid,
          topics: [`buildrequests/${into}/*`],
        },
  );
  if (into === null) return <OwnBuilds request={request} />;
  return item ? <Builds key={into} request={item} /> : <Loading error={error} />;
}

function OwnBuilds({ request }: { request: BuildRequestResource }): ReactNode {
  const id = request.buildrequestid;
  const builds = useLive<BuildResource>({
    path: `buildrequests/${id}/builds?order=-buildid&${SHOWN_PROPERTIES}`,
    plural: 'builds',
    id: (build) => build.buildid,
    topics: [`buildrequests/${id}/builds/*/*`],
    compare: (a, b) => b.buildid - a.buildid,
  });
  return (
    <section>
      <h2>{builds.items && builds.items.length > 1 ? 'Attempts' : 'Build'}</h2>
      {!builds.items && <Loading error={builds.error} />}
      {builds.items?.length === 0 && (
        <Empty>{request.complete ? 'It ended without a build.' : 'No build has started yet.'}</Empty>
      )}
      {builds.items && builds.items.length > 0 && <BuildTable builds={builds.items} />}
    </section>
  );
}

function Waiting({ request }: { request: BuildRequestResource }): ReactNode {
  const { item: wait } = useLiveOne(waitReason(request.buildrequestid));
  if (!wait || wait.state !== 'waiting') return null;
  const ahead = wait.ahead ?? 0;
  return (
    <p className="waiting" aria-live="polite">
      <strong>
        {ahead === 0
          ? 'First in the queue of its builder.'
          : `${ahead}${wait.ahead_is_more ? '+' : ''} before it in the queue of its builder.`}
      </strong>{' '}
      {wait.text}
    </p>
  );
}
