import type { BuilderResource, BuildResource } from '@millrace/contracts';
import { type ReactNode, useEffect, useMemo, useRef } from 'react';
import { Link, useSearchParams } from 'react-router';
import { duration, isoTime, property, shortRevision, timeOfDay } from '../data/format';
import { useLive, useNow } from '../data/live';
import { waterfallBuilds } from '../data/queries';
import { lookOf, lookOfResults } from '../data/results';
import { useSite } from '../data/site';
import { Badge, BuilderName, Empty, Loading, usePageTitle } from '../parts/basics';
import { type Bar, layout, type Mark } from '../waterfall/layout';

const ZOOMS = [4, 8, 16, 32, 64];
const DEFAULT_ZOOM = 16;
/** Most columns. More would be unreadable. */
const MAX_COLUMNS = 150;
const RUNNING_STEP_SECONDS = 5;
/** Delay before fetching older builds again after an error. */
const RETRY_MS = 3000;

export function WaterfallPage(): ReactNode {
  const site = useSite();
  const [search, setSearch] = useSearchParams();
  const project = search.get('project');
  const tags = search.getAll('tag');
  const zoom = ZOOMS.includes(Number(search.get('zoom'))) ? Number(search.get('zoom')) : DEFAULT_ZOOM;
  usePageTitle(project ? `Waterfall of ${project}` : 'Waterfall');
  const matching = useMemo(() => {
    const projectId =
      project === null ? null : ([...site.projects.values()].find((one) => one.name === project)?.projectid ?? -1);
    return [...site.builders.values()].filter(
      (builder) =>
        (projectId === null || builder.projectid === projectId) && tags.every((tag) => builder.tags.includes(tag)),
    );
  }, [site.builders, site.projects, project, tags.join(' ')]);
  const set = (change: (params: URLSearchParams) => void): void => {
    const params = new URLSearchParams(search);
    change(params);
    setSearch(params, { replace: true });
  };
  const allTags = [...new Set([...site.builders.values()].flatMap((builder) => builder.tags))].sort();
  const at = ZOOMS.indexOf(zoom);
  return (
    <div className="waterfall-page">
      <header className="section-head">
        <h1>Waterfall</h1>
        <div className="filters">
          <label>
            Project{' '}
            <select
              value={project ?? ''}
              onChange={(event) =>
                set((params) =>
                  event.target.value === '' ? params.delete('project') : params.set('project', event.target.value),
                )
              }
            >
              <option value="">all</option>
              {[...site.projects.values()].map((one) => (
                <option key={one.projectid}>{one.name}</option>
              ))}
            </select>
          </label>
          {allTags.length > 0 && (
            <div className="tags" role="group" aria-label="Tags">
              {allTags.slice(0, 30).map((tag) => (
                <button
                  key={tag}
                  type="button"
                  className="tag"
                  aria-pressed={tags.includes(tag)}
                  onClick={() =>
                    set((params) => {
                      params.delete('tag');
                      const wanted = tags.includes(tag) ? tags.filter((one) => one !== tag) : [...tags, tag];
                      for (const one of wanted) params.append('tag', one);
                    })
                  }
                >
                  {tag}
                </button>
              ))}
            </div>
          )}
          <div className="segmented" role="group" aria-label="Scale of time">
            <button
              type="button"
              disabled={at <= 0}
              aria-label="Shorter"
              onClick={() => set((params) => params.set('zoom', String(ZOOMS[at - 1])))}
            >
              −
            </button>
            <button
              type="button"
              disabled={at >= ZOOMS.length - 1}
              aria-label="Longer"
              onClick={() => set((params) => params.set('zoom', String(ZOOMS[at + 1])))}
            >
              +
            </button>
          </div>
        </div>
      </header>
      {!site.ready ? (
        <Loading />
      ) : matching.length === 0 ? (
        <Empty>No builder matches.</Empty>
      ) : (
        <Picture builders={matching} filtered={project !== null || tags.length > 0} zoom={zoom} />
      )}
    </div>
  );
}

function Picture({
  builders,
  filtered,
  zoom,
}: {
  builders: readonly BuilderResource[];
  filtered: boolean;
  zoom: number;
}): ReactNode {
  const ids = filtered || builders.length <= MAX_COLUMNS ? builders.map((builder) => builder.builderid) : null;
  const builds = useLive<BuildResource>(waterfallBuilds(filtered ? (ids ?? []).slice(0, MAX_COLUMNS) : null));
  const now = Math.floor(useNow() / RUNNING_STEP_SECONDS) * RUNNING_STEP_SECONDS;
  const end = useRef<HTMLDivElement>(null);
  const { items, error, next, loadMore } = builds;

  const columns = useMemo(() => {
    const built = new Set(items?.map((build) => build.builderid));
    // On a big site only builders with visible builds have a column.
    const shown = builders.length > 30 ? builders.filter((builder) => built.has(builder.builderid)) : builders;
    return shown.slice(0, MAX_COLUMNS);
  }, [builders, items]);
  const picture = useMemo(() => {
    const columnOf = new Map(columns.map((builder, i) => [builder.builderid, i]));
    const spans = (items ?? []).flatMap((build) => {
      const column = columnOf.get(build.builderid);
      const to = build.complete_at ?? Math.max(now, build.started_at + 1);
      return column === undefined ? [] : [{ id: build.buildid, column, start: build.started_at, end: to }];
    });
    return layout(spans, zoom);
  }, [items, columns, now, zoom]);
  const byId = useMemo(() => new Map(items?.map((build) => [build.buildid, build])), [items]);

  useEffect(() => {
    const element = end.current;
    if (!next || !element) return;
    const observer = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && loadMore(),
      { rootMargin: '600px' },
    );
    const timer = setTimeout(() => observer.observe(element), error === null ? 0 : RETRY_MS);
    return () => {
      clearTimeout(timer);
      observer.disconnect();
    };
  }, [next, loadMore, error, picture.heightPx]);

  if (!items) return <Loading error={error} />;
  if (items.length === 0) return <Empty>Nothing has been built yet.</Empty>;
  const template = { gridTemplateColumns: `4.5rem repeat(${columns.length}, minmax(8.5rem, 24rem))` };
  return (
    <div className="waterfall" tabIndex={0} role="region" aria-label="Builds by builder, the newest first">
      <div className="wf-heads" style={template}>
        <span />
        {columns.map((builder) => (
          <Link key={builder.builderid} to={`/builders/${builder.builderid}`} title={builder.name}>
            <Badge look={lookOfResults(builder.latest_results)} bare />
            <span className="wf-name">
              <BuilderName name={builder.name} />
            </span>
          </Link>
        ))}
      </div>
      <div className="wf-body" style={{ ...template, height: picture.heightPx + 24 }}>
        <div className="wf-times">
          {picture.marks.map((mark) => (
            <TimeMark key={mark.at} mark={mark} />
          ))}
        </div>
        {columns.map((builder, column) => (
          <ol key={builder.builderid} className="wf-column" aria-label={builder.name}>
            {picture.bars
              .filter((bar) => bar.column === column)
              .map((bar) => (
                <WaterfallBar key={bar.id} build={byId.get(bar.id)!} bar={bar} />
              ))}
          </ol>
        ))}
        {picture.marks
          .filter((mark) => mark.idleSeconds !== null)
          .map((mark) => (
            <div key={mark.at} className="wf-idle" style={{ top: mark.topPx }} aria-hidden="true">
              {duration(mark.idleSeconds!)} idle
            </div>
          ))}
      </div>
      <div ref={end} className="more muted">
        {builds.loadingMore ? 'Loading…' : next ? error : 'The first build is above.'}
      </div>
    </div>
  );
}

function TimeMark({ mark }: { mark: Mark }): ReactNode {
  const today = new Date().toDateString() === new Date(mark.at * 1000).toDateString();
  return (
    <time style={{ top: mark.topPx }} dateTime={isoTime(mark.at)}>
      {timeOfDay(mark.at, mark.withSeconds)}
      {!today && (
        <small>{new Date(mark.at * 1000).toLocaleDateString(undefined, { month: 'short', day: 'numeric' })}</small>
      )}
    </time>
  );
}

function WaterfallBar({ build, bar }: { build: BuildResource; bar: Bar }): ReactNode {
  const look = lookOf(build);
  const branch = property(build.properties, 'branch');
  const revision = property(build.properties, 'revision');
  const took = build.complete_at === null ? 'running' : duration(build.complete_at - build.started_at);
  return (
    <li
      style={{
        top: bar.topPx,
        height: bar.heightPx,
        left: `${(100 * bar.lane) / bar.lanes}%`,
        width: `${100 / bar.lanes}%`,
      }}
    >
      <Link
        className={`wf-bar r-${look.slug}`}
        to={`/builders/${build.builderid}/builds/${build.number}`}
        title={[`#${build.number} ${look.name}, ${took}`, build.state_string, branch, revision]
          .filter(Boolean)
          .join('\n')}
      >
        <span>
          <span aria-hidden="true" className="mark">
            {look.mark}
          </span>
          <span className="sr">{look.name}</span> {build.number} <span className="wf-took">{took}</span>
        </span>
        {bar.heightPx > 42 && (
          <span className="wf-more">
            {branch} {revision && shortRevision(revision)}
          </span>
        )}
      </Link>
    </li>
  );
}
