import type { BuilderResource, BuildResource } from '@millrace/contracts';
import { type ReactNode, useMemo } from 'react';
import { Link } from 'react-router';
import { useLive } from '../data/live';
import { failedBuilds, runningBuilds } from '../data/queries';
import { lookOfResults } from '../data/results';
import { useSite } from '../data/site';
import { Ago, Badge, BuilderLink, BuildLink, Empty, Loading, usePageTitle, WorkerLink } from '../parts/basics';
import { Progress, Source } from '../parts/build-table';

/** Most missing workers listed by name. Further ones are only counted. */
const MISSING_NAMED = 10;

export function HomePage(): ReactNode {
  const site = useSite();
  const running = useLive<BuildResource>(runningBuilds);
  const failed = useLive<BuildResource>(failedBuilds);
  const builders = [...site.builders.values()];
  const failing = builders.some((builder) => isRed(builder.latest_results));
  usePageTitle('', running.items?.length ? 'running' : failing ? 'failing' : builders.length > 0 ? 'ok' : 'plain');
  return (
    <>
      <h1 className="sr">{site.title}</h1>
      <MissingWorkers />
      <section>
        <h2>
          Running now{' '}
          {running.items && running.items.length > 0 && <span className="count">{running.items.length}</span>}
        </h2>
        {running.items ? <Running builds={running.items} /> : <Loading error={running.error} />}
      </section>
      <section>
        <h2>Projects</h2>
        {site.ready ? <Projects /> : <Loading />}
      </section>
      <section>
        <h2>Failed lately</h2>
        {!failed.items && <Loading error={failed.error} />}
        {failed.items?.length === 0 && <Empty>Nothing has failed.</Empty>}
        {failed.items && failed.items.length > 0 && (
          <ul className="feed">
            {failed.items.map((build) => (
              <li key={build.buildid}>
                <BuildLink build={build} />
                <span className="grow">
                  <BuilderLink id={build.builderid} /> <span className="muted">{build.state_string}</span>
                </span>
                <Source build={build} />
                <span className="muted when">
                  <Ago at={build.complete_at ?? build.started_at} />
                </span>
              </li>
            ))}
          </ul>
        )}
      </section>
    </>
  );
}

/** Lists workers that have been away for longer than their configuration allows. */
function MissingWorkers(): ReactNode {
  const missing = [...useSite().workers.values()].filter(
    (worker) => worker.missing_since !== null && worker.connected_to.length === 0,
  );
  if (missing.length === 0) return null;
  return (
    <p className="notice" role="status">
      {missing.length === 1 ? 'A worker is missing: ' : `${missing.length} workers are missing: `}
      {missing.slice(0, MISSING_NAMED).map((worker, i) => (
        <span key={worker.workerid}>
          {i > 0 && ', '}
          <Link to={`/workers/${worker.workerid}`}>{worker.name}</Link>
        </span>
      ))}
      {missing.length > MISSING_NAMED && ' …'}
    </p>
  );
}

function Running({ builds }: { builds: readonly BuildResource[] }): ReactNode {
  const expected = useExpectedSeconds(builds);
  if (builds.length === 0) return <Empty>Nothing is running.</Empty>;
  return (
    <ul className="feed">
      {builds.map((build) => (
        <li key={build.buildid}>
          <BuildLink build={build} />
          <span className="grow">
            <BuilderLink id={build.builderid} /> <span className="muted">{build.state_string}</span>
          </span>
          <Source build={build} />
          <span className="muted">
            <WorkerLink id={build.workerid} />
          </span>
          <Progress build={build} expectedSeconds={expected.get(build.builderid) ?? null} />
        </li>
      ))}
    </ul>
  );
}

/** Returns how long the last successful build of each builder took. */
function useExpectedSeconds(builds: readonly BuildResource[]): ReadonlyMap<number, number> {
  const { builders } = useSite();
  const ids = [...new Set(builds.map((build) => builders.get(build.builderid)?.latest_green_buildid))]
    .filter((id) => id != null)
    .slice(0, 100)
    .sort();
  const good = useLive<BuildResource>(
    ids.length === 0
      ? null
      : {
          path: `builds?${ids.map((id) => `buildid=${id}`).join('&')}`,
          plural: 'builds',
          id: (build) => build.buildid,
          topics: [],
        },
  );
  return useMemo(
    () =>
      new Map(
        good.items?.map((build) => [build.builderid, (build.complete_at ?? build.started_at) - build.started_at]),
      ),
    [good.items],
  );
}

function isRed(results: number | null): boolean {
  return results === 2 || results === 4;
}

function Projects(): ReactNode {
  const { builders, projects } = useSite();
  const groups = useMemo(() => {
    const byProject = new Map<number | null, BuilderResource[]>();
    for (const builder of builders.values()) {
      if (builder.masterids.length === 0) continue;
      const list = byProject.get(builder.projectid);
      if (list) list.push(builder);
      else byProject.set(builder.projectid, [builder]);
    }
    return [...byProject].sort(([a], [b]) =>
      (projects.get(a ?? -1)?.name ?? '￿').localeCompare(projects.get(b ?? -1)?.name ?? '￿'),
    );
  }, [builders, projects]);
  if (groups.length === 0)
    return <Empty>No engine serves a builder yet. As soon as one starts, its builders are here.</Empty>;
  return (
    <div className="cards">
      {groups.map(([id, list]) => {
        const project = id === null ? undefined : projects.get(id);
        const red = list.filter((builder) => isRed(builder.latest_results)).length;
        return (
          <article key={id ?? 'none'} className="card">
            <header>
              <h3>{project?.name ?? 'Other builders'}</h3>
              {project && <Link to={`/waterfall?project=${encodeURIComponent(project.name)}`}>Waterfall</Link>}
            </header>
            {project?.description && <p className="muted">{project.description}</p>}
            <p className="muted small">
              {list.length} {list.length === 1 ? 'builder' : 'builders'}
              {red > 0 ? `, ${red} failing` : ''}
            </p>
            <ul className="chips">
              {list.map((builder) => (
                <li key={builder.builderid}>
                  <Link to={`/builders/${builder.builderid}`}>
                    <Badge look={lookOfResults(builder.latest_results)} bare /> {builder.name}
                  </Link>
                </li>
              ))}
            </ul>
          </article>
        );
      })}
    </div>
  );
}
