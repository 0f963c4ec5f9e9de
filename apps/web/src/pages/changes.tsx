import type { BuildResource, ChangeResource } from '@millrace/contracts';
import type { ReactNode } from 'react';
import { Link, useParams } from 'react-router';
import { dateTime, firstLine, idOf, shortRevision } from '../data/format';
import { useLive, useLiveOne } from '../data/live';
import { newestChanges, SHOWN_PROPERTIES } from '../data/queries';
import { Ago, Branch, Empty, Loading, More, usePageTitle } from '../parts/basics';
import { BuildTable } from '../parts/build-table';
import { Codebases } from '../parts/codebases';
import { Decisions } from '../parts/decisions';
import { ChangeSourceNotices } from '../parts/change-sources';
import { NotFoundPage } from './not-found';

export function ChangesPage(): ReactNode {
  usePageTitle('Changes');
  const changes = useLive<ChangeResource>(newestChanges);
  return (
    <>
      <h1>Changes</h1>
      <ChangeSourceNotices />
      <Codebases />
      {!changes.items && <Loading error={changes.error} />}
      {changes.items?.length === 0 && <Empty>No change has been seen yet.</Empty>}
      {changes.items && changes.items.length > 0 && <ChangeList changes={changes.items} />}
      <More live={changes} />
    </>
  );
}

export function ChangeList({ changes }: { changes: readonly ChangeResource[] }): ReactNode {
  return (
    <ul className="feed">
      {changes.map((change) => (
        <li key={change.changeid}>
          <code title={change.revision ?? undefined}>{change.revision ? shortRevision(change.revision) : '–'}</code>
          <span className="grow">
            <Link to={`/changes/${change.changeid}`}>{firstLine(change.comments) || '(no message)'}</Link>{' '}
            <span className="muted">{change.author.replace(/\s*<.*/, '')}</span>
          </span>
          {change.branch && <Branch name={change.branch} />}
          <span className="muted when">
            <Ago at={change.when_timestamp} />
          </span>
        </li>
      ))}
    </ul>
  );
}

export function ChangePage(): ReactNode {
  const { changeid } = useParams();
  const id = idOf(changeid);
  const { item: change, error } = useLiveOne<ChangeResource>(
    id === null ? null : { path: `changes/${id}`, plural: 'changes', id: (one) => one.changeid, topics: [] },
  );
  const builds = useLive<BuildResource>(
    id === null
      ? null
      : {
          path: `changes/${id}/builds?order=-buildid&${SHOWN_PROPERTIES}`,
          plural: 'builds',
          id: (build) => build.buildid,
          topics: [],
        },
  );
  usePageTitle(change ? firstLine(change.comments) : 'Change');
  if (id === null || change === null) return <NotFoundPage what={`There is no change ${changeid}.`} />;
  if (!change) return <Loading error={error} />;
  return (
    <>
      <p className="crumbs">
        <Link to="/changes">Changes</Link>
      </p>
      <h1>{firstLine(change.comments) || '(no message)'}</h1>
      <dl className="facts">
        <dt>Author</dt>
        <dd>{change.author}</dd>
        <dt>When</dt>
        <dd>{dateTime(change.when_timestamp)}</dd>
        {change.revision && (
          <>
            <dt>Revision</dt>
            <dd>
              <code>{change.revision}</code>
            </dd>
          </>
        )}
        {change.branch && (
          <>
            <dt>Branch</dt>
            <dd>{change.branch}</dd>
          </>
        )}
        {change.deliveryid !== null && (
          <>
            <dt>Delivery</dt>
            <dd>
              <Link to={`/deliveries/${change.deliveryid}`}>{change.deliveryid}</Link>
            </dd>
          </>
        )}
        <dt>Repository</dt>
        <dd>{change.repository || '–'}</dd>
        {change.project && (
          <>
            <dt>Project</dt>
            <dd>{change.project}</dd>
          </>
        )}
      </dl>
      <pre className="comments">{change.comments}</pre>
      <section>
        <h2>Schedulers</h2>
        <Decisions changeId={id} />
      </section>
      <section>
        <h2>Builds</h2>
        {!builds.items && <Loading error={builds.error} />}
        {builds.items?.length === 0 && <Empty>No build has been started for it.</Empty>}
        {builds.items && builds.items.length > 0 && <BuildTable builds={builds.items} />}
      </section>
      <section>
        <h2>
          Files <span className="count">{change.files.length}</span>
        </h2>
        <ul className="files">
          {change.files.map((file) => (
            <li key={file}>
              <code>{file}</code>
            </li>
          ))}
        </ul>
      </section>
    </>
  );
}
