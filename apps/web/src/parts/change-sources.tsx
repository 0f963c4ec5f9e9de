import type { ChangeSourceResource } from '@millrace/contracts';
import type { ReactNode } from 'react';
import { useLive } from '../data/live';
import type { LiveQuery } from '../data/lists';
import { Ago, Loading } from './basics';

/** Polled, because there is no event for the state of a change source. */
const changeSources: LiveQuery<ChangeSourceResource> = {
  path: 'changesources?order=name',
  plural: 'changesources',
  id: (source) => source.changesourceid,
  topics: [],
  refetchEveryMs: 5000,
};

const SHOWN: Readonly<Record<ChangeSourceResource['state'], { readonly dot: string; readonly text: string }>> = {
  new: { dot: 'paused', text: 'not polled yet' },
  ok: { dot: 'on', text: 'polled' },
  partial: { dot: 'paused', text: 'polled in part' },
  failing: { dot: 'off', text: 'cannot be polled' },
  unpolled: { dot: 'off', text: 'polled by no scheduler' },
};

/** Lists all change sources with their problems. Empty when none is configured. */
export function ChangeSources(): ReactNode {
  const { items, error } = useLive(changeSources);
  if (!items) return <Loading error={error} />;
  if (items.length === 0) return null;
  return (
    <section>
      <h2>Change sources</h2>
      <div className="scroll-x">
        <table className="rows">
          <thead>
            <tr>
              <th>Source</th>
              <th className="wide">State</th>
            </tr>
          </thead>
          <tbody>
            {items.map((source) => (
              <tr key={source.changesourceid}>
                <td>
                  <strong>{source.name}</strong>
                </td>
                <td className="wide">
                  <State source={source} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function State({ source: { state, state_since: since, master, error } }: { source: ChangeSourceResource }): ReactNode {
  const { dot, text } = SHOWN[state];
  return (
    <>
      <span className={`dot ${dot}`} aria-hidden="true" /> {text}
      {master && <span className="muted">, by {master.name}</span>}
      {error !== null && (
        <>
          {since !== null && (
            <span className="muted">
              , since <Ago at={since} />
            </span>
          )}
          <div className={state === 'failing' ? 'error' : 'muted'}>{error}</div>
        </>
      )}
    </>
  );
}

/** Tells why changes may be missing from a list of changes. Empty while all change sources can be polled. */
export function ChangeSourceNotices(): ReactNode {
  const failing = useLive(changeSources).items?.filter(({ state }) => state === 'failing') ?? [];
  return failing.map((source) => (
    <p key={source.changesourceid} className="notice" role="status">
      {source.name} cannot be polled: {source.error}
    </p>
  ));
}
