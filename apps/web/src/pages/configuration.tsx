import type { RevertResource, RevisionDifferenceResource, RevisionResource } from '@millrace/contracts';
import type { ReactNode } from 'react';
import { Link, useParams, useSearchParams } from 'react-router';
import { control } from '../data/api';
import { dateTime, idOf } from '../data/format';
import { useLive, useLiveOne } from '../data/live';
import type { LiveQuery } from '../data/lists';
import { changedText, revisionName, sectionTitle } from '../data/revisions';
import { useRefusal } from '../data/site';
import { ActionButton, Ago, Empty, Loading, More, usePageTitle } from '../parts/basics';
import { NotFoundPage } from './not-found';

// There is no event for a revision, so the list is polled.
const newestRevisions: LiveQuery<RevisionResource> = {
  path: 'revisions?order=-revisionid&limit=50',
  plural: 'revisions',
  id: (revision) => revision.revisionid,
  topics: [],
  compare: (a, b) => b.revisionid - a.revisionid,
  refetchEveryMs: 10_000,
};

const currentReverts: LiveQuery<RevertResource> = {
  path: 'reverts',
  plural: 'reverts',
  id: (revert) => revert.instead_of,
  topics: [],
  refetchEveryMs: 3_000,
};

/** The configurations that masters have read, and which are in force. */
export function ConfigurationPage(): ReactNode {
  usePageTitle('Configuration');
  const revisions = useLive(newestRevisions);
  const { items } = revisions;
  return (
    <>
      <h1>Configuration</h1>
      <Reverts />
      {!items && <Loading error={revisions.error} />}
      {items?.length === 0 && <Empty>There is no revision here that you may see.</Empty>}
      {items && items.length > 0 && (
        <div className="scroll-x">
          <table className="rows">
            <thead>
              <tr>
                <th>Revision</th>
                <th className="wide">Changed</th>
                <th>In force at</th>
                <th className="right">First read</th>
              </tr>
            </thead>
            <tbody>
              {items.map((revision) => (
                <tr key={revision.revisionid} className={revision.masters.length > 0 ? undefined : 'faded'}>
                  <td>
                    <Link to={`/configuration/${revision.revisionid}`} title={revision.fingerprint}>
                      <code>{revisionName(revision)}</code>
                    </Link>
                  </td>
                  <td className="wide">{changedText(revision.changed)}</td>
                  <td>{revision.masters.join(', ') || <span className="muted">no master</span>}</td>
                  <td className="right muted">
                    <Ago at={revision.created_at} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <More live={revisions} />
    </>
  );
}

/** Says that an earlier revision is in force in place of what the file says, and where it is not. */
function Reverts(): ReactNode {
  const reverts = useLive(currentReverts).items ?? [];
  return reverts.map((revert) => (
    <div key={revert.instead_of} className="notice" role="status">
      <p>
        {revert.made_by} asked <Ago at={revert.made_at} /> to go back to revision <code>{revisionName(revert)}</code>{' '}
        from <code>{revisionName({ fingerprint: revert.instead_of })}</code>, which the file has. It is in force{' '}
        {revert.masters.length > 0 ? `on ${revert.masters.join(', ')}` : 'nowhere yet'}, and ends when the file is
        edited.{' '}
        {revert.revisionid !== null && (
          <ActionButton needs="revert" action={() => control(`revisions/${revert.revisionid}`, 'end_revert')}>
            Go by the file again
          </ActionButton>
        )}
      </p>
      {revert.missing.map(({ master, why }) => (
        <p key={master} className="error">
          {master} stays with what it has: {why}
        </p>
      ))}
    </div>
  ));
}

/** One revision, and what differs between it and another one. */
export function RevisionPage(): ReactNode {
  const { revisionid } = useParams();
  const id = idOf(revisionid);
  const [search, setSearch] = useSearchParams();
  const from = idOf(search.get('from') ?? undefined);
  const { item: revision, error } = useLiveOne<RevisionResource>(
    id === null ? null : { ...newestRevisions, path: `revisions/${id}` },
  );
  const others = useLive(newestRevisions).items ?? [];
  usePageTitle(`Revision ${revision ? revisionName(revision) : revisionid}`);
  if (id === null || revision === null) return <NotFoundPage what={`There is no revision ${revisionid}.`} />;
  if (!revision) return <Loading error={error} />;
  return (
    <>
      <p className="crumbs">
        <Link to="/configuration">Configuration</Link>
      </p>
      <h1>Revision {revisionName(revision)}</h1>
      <Reverts />
      <dl className="facts">
        <dt>First read</dt>
        <dd>{dateTime(revision.created_at)}</dd>
        <dt>In force at</dt>
        <dd>{revision.masters.join(', ') || 'no master'}</dd>
        <dt>Fingerprint</dt>
        <dd>
          <code>{revision.fingerprint}</code>
        </dd>
      </dl>
      <ActionButton
        needs="revert"
        confirm={`Go back to revision ${revisionName(revision)}? Every scheduler and engine that has kept it puts it in force in place of what its file says, until the file is edited.`}
        action={() => control(`revisions/${id}`, 'revert')}
      >
        Go back to this revision…
      </ActionButton>
      <h2>What differs</h2>
      <label>
        from{' '}
        <select value={from ?? ''} onChange={({ target }) => setSearch(target.value ? { from: target.value } : {})}>
          <option value="">the revision before it</option>
          {others
            .filter((other) => other.revisionid !== id)
            .map((other) => (
              <option key={other.revisionid} value={other.revisionid}>
                {revisionName(other)}, {dateTime(other.created_at)}
              </option>
            ))}
        </select>
      </label>
      <Differences id={id} from={from} />
    </>
  );
}

function Differences({ id, from }: { id: number; from: number | null }): ReactNode {
  const refusal = useRefusal('audit');
  return refusal === null ? <Sections id={id} from={from} /> : <p className="error">{refusal}</p>;
}

function Sections({ id, from }: { id: number; from: number | null }): ReactNode {
  const { items, error } = useLive<RevisionDifferenceResource>({
    path: from === null ? `revisions/${id}/differences` : `revisions/${id}/from/${from}/differences`,
    plural: 'differences',
    id: (difference) => difference.section,
    topics: [],
  });
  if (!items) return <Loading error={error} />;
  if (items.length === 0)
    return <Empty>Nothing that is stored: only the text of functions or files, or it is the first revision.</Empty>;
  return items.map((difference) => <Section key={difference.section} difference={difference} />);
}

function Section({ difference }: { difference: RevisionDifferenceResource }): ReactNode {
  const { section, added, removed, changed, lines, counts } = difference;
  const rest = counts.changed - changed.length - lines.length;
  return (
    <section>
      <h3>{sectionTitle(section)}</h3>
      <Names sign="+" names={added} count={counts.added} />
      <Names sign="-" names={removed} count={counts.removed} />
      {changed.map(({ name, lines: itsLines }) => (
        <details key={name}>
          <summary>
            <code>{name}</code> changed
          </summary>
          <pre className="diff">{itsLines.map(Line)}</pre>
        </details>
      ))}
      {lines.length > 0 && <pre className="diff">{lines.map(Line)}</pre>}
      {rest > 0 && <p className="muted">{rest} more have changed.</p>}
    </section>
  );
}

function Names({ sign, names, count }: { sign: '+' | '-'; names: readonly string[]; count: number }): ReactNode {
  if (count === 0) return null;
  return (
    <pre className="diff">
      {names.map((name, index) => Line(`${sign} ${name}`, index))}
      {count > names.length && <span className="muted">{count - names.length} more</span>}
    </pre>
  );
}

function Line(line: string, index: number): ReactNode {
  return (
    <span key={index} className={line.startsWith('+') ? 'added' : 'removed'}>
      {line}
      {'\n'}
    </span>
  );
}
