import type { BuildResource } from '@millrace/contracts';
import type { ReactNode } from 'react';
import { Navigate, Outlet, useLocation, useParams } from 'react-router';
import { idOf } from '../data/format';
import { useLiveOne } from '../data/live';
import { useSite } from '../data/site';
import { Loading } from '../parts/basics';
import { NotFoundPage } from './not-found';

/** The pages of a builder. An address with the builder's name leads to the one with its id; a number is taken as an id first. */
export function OfBuilder(): ReactNode {
  const { builderid = '' } = useParams();
  const site = useSite();
  const id = idOf(builderid);
  if (id !== null && (!site.ready || site.builders.has(id))) return <Outlet />;
  if (!site.ready) return <Loading />;
  const named = [...site.builders.values()].find((builder) => builder.name === builderid);
  if (named) return <Instead path={`/builders/${named.builderid}`} />;
  return id === null ? <NotFoundPage what={`There is no builder ${builderid}.`} /> : <Outlet />;
}

/** `/builds/ID`, and the pages below it. */
export function OfBuild(): ReactNode {
  const { buildid } = useParams();
  const id = idOf(buildid);
  const { item: build, error } = useLiveOne<BuildResource>(
    id === null ? null : { path: `builds/${id}`, plural: 'builds', id: (one) => one.buildid, topics: [] },
  );
  if (id === null || build === null) return <NotFoundPage what={`There is no build ${buildid}.`} />;
  if (!build) return <Loading error={error} />;
  return <Instead path={`/builders/${build.builderid}/builds/${build.number}`} />;
}

/** The home page, unless the address is one of Buildbot's pages, which stand behind a hash (`/#/builders/3`). */
export function Start({ children }: { children: ReactNode }): ReactNode {
  const { hash } = useLocation();
  return hash.startsWith('#/') ? <Navigate replace to={hash.slice(1)} /> : children;
}

/** Redirects to the same address with `path` in place of its first two segments. */
function Instead({ path }: { path: string }): ReactNode {
  const { pathname, search, hash } = useLocation();
  const rest = pathname.split('/').slice(3);
  return <Navigate replace to={{ pathname: [path, ...rest].join('/'), search, hash }} />;
}
