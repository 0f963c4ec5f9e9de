import type { BuildResource } from '@millrace/contracts';
import { type ReactNode, useEffect, useId, useState } from 'react';
import { Link } from 'react-router';
import { ago, dateTime, duration, isoTime } from '../data/format';
import { useNow } from '../data/live';
import { endOf } from '../data/names';
import { PUBLIC_PATH } from '../data/public-path';
import { lookOf, type ResultLook } from '../data/results';
import type { Right } from '../data/api';
import { useRefusal, useSite } from '../data/site';

/** Shows a result as colour, mark and (unless there is no room) word. */
export function Badge({ look, bare = false }: { look: ResultLook; bare?: boolean }): ReactNode {
  return (
    <span className={`badge r-${look.slug}`} title={bare ? look.name : undefined}>
      <span aria-hidden="true" className="mark">
        {look.mark}
      </span>
      {bare ? <span className="sr">{look.name}</span> : look.name}
    </span>
  );
}

export function BuildLink({ build, children }: { build: BuildResource; children?: ReactNode }): ReactNode {
  return (
    <Link className={`build-link r-${lookOf(build).slug}`} to={`/builders/${build.builderid}/builds/${build.number}`}>
      <span aria-hidden="true" className="mark">
        {lookOf(build).mark}
      </span>
      <span className="sr">{lookOf(build).name} </span>
      {children ?? `#${build.number}`}
    </Link>
  );
}

export function BuilderLink({ id }: { id: number }): ReactNode {
  const name = useSite().builders.get(id)?.name ?? `builder ${id}`;
  return (
    <Link to={`/builders/${id}`} title={name}>
      <BuilderName name={name} />
    </Link>
  );
}

/** A builder's name, shortened in the part that other builders share. */
export function BuilderName({ name }: { name: string }): ReactNode {
  return <Cut text={name} tailAt={useSite().builderDifferences.get(name) ?? 0} />;
}

export function WorkerLink({ id }: { id: number }): ReactNode {
  const name = useSite().workers.get(id)?.name ?? `worker ${id}`;
  return (
    <Link to={`/workers/${id}`} title={name}>
      <WorkerName name={name} />
    </Link>
  );
}

/** A worker's name, shortened in the part that other workers share. */
export function WorkerName({ name }: { name: string }): ReactNode {
  return <Cut text={name} tailAt={useSite().workerDifferences.get(name) ?? 0} />;
}

/** A branch's name, cut to the available room. */
export function Branch({ name }: { name: string }): ReactNode {
  return (
    <span className="branch" title={name}>
      <Cut text={name} tailAt={endOf(name)} />
    </span>
  );
}

/** Text that is shortened before `tailAt` when there is not enough room; at its end when `tailAt` is 0. */
function Cut({ text, tailAt }: { text: string; tailAt: number }): ReactNode {
  if (tailAt === 0) return text;
  return (
    <span className="cut-name">
      <span>{text.slice(0, tailAt)}</span>
      <span>{text.slice(tailAt)}</span>
    </span>
  );
}

export function Ago({ at }: { at: number }): ReactNode {
  const now = useNow();
  return (
    <time dateTime={isoTime(at)} title={dateTime(at)}>
      {ago(at, now)}
    </time>
  );
}

/** How long something took, or has been running. */
export function Took({ from, to }: { from: number; to: number | null }): ReactNode {
  const now = useNow();
  return <span className="num">{duration((to ?? Math.max(now, from)) - from)}</span>;
}

export function Loading({ error }: { error?: string | null }): ReactNode {
  if (error) {
    return (
      <p className="error" role="alert">
        {error}
      </p>
    );
  }
  return <p className="loading">Loading…</p>;
}

export function Empty({ children }: { children: ReactNode }): ReactNode {
  return <p className="empty">{children}</p>;
}

/**
 * A button of which the user is told why it cannot be used, if so. It stays within reach of the keyboard, so that everybody is told.
 */
export function RightButton({
  needs,
  children,
  className = '',
  disabled = false,
  title,
  onClick,
}: {
  needs: Right;
  children: ReactNode;
  className?: string | undefined;
  disabled?: boolean;
  title?: string | undefined;
  onClick: () => void;
}): ReactNode {
  const refusal = useRefusal(needs);
  const id = useId();
  if (refusal === null) {
    return (
      <button type="button" className={className} disabled={disabled} title={title} onClick={onClick}>
        {children}
      </button>
    );
  }
  return (
    <>
      <button type="button" className={className} aria-disabled="true" aria-describedby={id} title={refusal}>
        {children}
      </button>
      <span id={id} className="sr">
        {refusal}
      </span>
    </>
  );
}

/** A button whose action may fail. An error is shown beside it. */
export function ActionButton({
  needs,
  action,
  children,
  className = '',
  confirm,
}: {
  needs: Right;
  action: () => Promise<unknown>;
  children: ReactNode;
  className?: string;
  confirm?: string;
}): ReactNode {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const run = (): void => {
    if (confirm && !window.confirm(confirm)) return;
    setBusy(true);
    setError(null);
    action()
      .catch((failure: Error) => setError(failure.message))
      .finally(() => setBusy(false));
  };
  return (
    <>
      <RightButton needs={needs} className={className} disabled={busy} onClick={run}>
        {children}
      </RightButton>
      {error && (
        <span className="error" role="alert">
          {error}
        </span>
      )}
    </>
  );
}

export function More({
  live,
}: {
  live: { next: string | null; error: string | null; loadingMore: boolean; loadMore: () => void };
}): ReactNode {
  if (!live.next) return null;
  return (
    <p className="more">
      <button type="button" disabled={live.loadingMore} onClick={live.loadMore}>
        {live.loadingMore ? 'Loading…' : 'Show older'}
      </button>{' '}
      {live.error && (
        <span className="error" role="alert">
          {live.error}
        </span>
      )}
    </p>
  );
}

export type PageState = 'plain' | 'ok' | 'failing' | 'running';

/** Sets the window's title, and its icon to the state of what is shown. */
export function usePageTitle(title: string, state: PageState = 'plain'): void {
  const { title: site } = useSite();
  useEffect(() => {
    document.title = title === '' ? site : `${title} · ${site}`;
    const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
    if (icon) icon.href = `${PUBLIC_PATH}/${state === 'plain' ? 'icon' : `icon-${state}`}.svg`;
  }, [title, state, site]);
}

export function pageStateOf(builds: readonly { complete: boolean; results: number | null }[]): PageState {
  if (builds.some((build) => !build.complete)) return 'running';
  const last = builds[0];
  if (!last) return 'plain';
  return last.results === 2 || last.results === 4 ? 'failing' : 'ok';
}
