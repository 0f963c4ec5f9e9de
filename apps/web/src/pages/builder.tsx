import type { BuilderResource, BuildResource, ForceSchedulerResource } from '@millrace/contracts';
import { type ReactNode, useState } from 'react';
import { Link, useParams, useSearchParams } from 'react-router';
import { useLive } from '../data/live';
import { buildsOfBuilder } from '../data/queries';
import { lookOfResults } from '../data/results';
import { useSite } from '../data/site';
import { Badge, Empty, Loading, More, pageStateOf, RightButton, usePageTitle } from '../parts/basics';
import { BuildTable } from '../parts/build-table';
import { ForceDialog } from '../parts/force-dialog';
import { PendingList } from '../parts/pending-list';
import { NotFoundPage } from './not-found';

export function BuilderPage(): ReactNode {
  const { builderid } = useParams();
  const site = useSite();
  const builder = site.builders.get(Number(builderid));
  if (!site.ready) return <Loading />;
  if (!builder) return <NotFoundPage what={`There is no builder ${builderid}.`} />;
  return <Builder key={builder.builderid} builder={builder} />;
}

const FILTERS = [
  [null, 'All'],
  [2, 'Failed'],
  [4, 'Exceptions'],
  [1, 'Warnings'],
  [0, 'Successful'],
  [6, 'Cancelled'],
] as const;

function Builder({ builder }: { builder: BuilderResource }): ReactNode {
  const { projects } = useSite();
  const [search, setSearch] = useSearchParams();
  const results = search.has('results') ? Number(search.get('results')) : null;
  const builds = useLive<BuildResource>(buildsOfBuilder(builder.builderid, results));
  const project = builder.projectid === null ? undefined : projects.get(builder.projectid);
  usePageTitle(builder.name, pageStateOf(builds.items ?? []));
  return (
    <>
      <header className="page-head">
        <div>
          <p className="crumbs">
            {project ? (
              <Link to={`/waterfall?project=${encodeURIComponent(project.name)}`}>{project.name}</Link>
            ) : (
              'Builder'
            )}
          </p>
          <h1>
            <Badge look={lookOfResults(builder.latest_results)} bare /> {builder.name}
          </h1>
          {builder.description && <p>{builder.description}</p>}
          <Tags tags={builder.tags} />
        </div>
        <ForceButtons builder={builder} />
      </header>
      {builder.masterids.length === 0 && (
        <p className="notice">No engine serves this builder now; what is queued waits for one.</p>
      )}
      {builder.config_differs && (
        <p className="notice">
          Engines serve this builder with different configurations; which one a build gets depends on who takes it.
        </p>
      )}
      <PendingList builderId={builder.builderid} />
      <section>
        <header className="section-head">
          <h2>Builds</h2>
          <div className="segmented" role="group" aria-label="Which builds">
            {FILTERS.map(([value, text]) => (
              <button
                key={text}
                type="button"
                aria-pressed={results === value}
                onClick={() => setSearch(value === null ? {} : { results: String(value) }, { replace: true })}
              >
                {text}
              </button>
            ))}
          </div>
        </header>
        {!builds.items && <Loading error={builds.error} />}
        {builds.items?.length === 0 && (
          <Empty>{results === null ? 'Nothing has been built yet.' : 'No such builds.'}</Empty>
        )}
        {builds.items && builds.items.length > 0 && <BuildTable builds={builds.items} showBuilder={false} />}
        <More live={builds} />
      </section>
      <BuilderWorkers builderId={builder.builderid} />
    </>
  );
}

export function Tags({ tags }: { tags: readonly string[] }): ReactNode {
  if (tags.length === 0) return null;
  return (
    <p className="tags">
      {tags.map((tag) => (
        <Link key={tag} to={`/waterfall?tag=${encodeURIComponent(tag)}`} className="tag">
          {tag}
        </Link>
      ))}
    </p>
  );
}

function ForceButtons({ builder }: { builder: BuilderResource }): ReactNode {
  const [open, setOpen] = useState<ForceSchedulerResource | null>(null);
  const force = useLive<ForceSchedulerResource>({
    path: `builders/${builder.builderid}/forceschedulers`,
    plural: 'forceschedulers',
    id: (scheduler) => scheduler.name,
    topics: [],
  });
  return (
    <div className="actions">
      {force.items?.map((scheduler) => (
        <RightButton
          key={scheduler.name}
          needs="force"
          className="primary"
          disabled={!scheduler.enabled}
          title={scheduler.enabled ? scheduler.label : 'This scheduler is switched off.'}
          onClick={() => setOpen(scheduler)}
        >
          {scheduler.button_name}
        </RightButton>
      ))}
      {open && <ForceDialog scheduler={open} builder={builder} onClose={() => setOpen(null)} />}
    </div>
  );
}

function BuilderWorkers({ builderId }: { builderId: number }): ReactNode {
  const workers = [...useSite().workers.values()].filter((worker) =>
    worker.configured_on.some((place) => place.builderid === builderId),
  );
  return (
    <section>
      <h2>Workers</h2>
      {workers.length === 0 && <Empty>No worker is configured for this builder.</Empty>}
      <ul className="chips">
        {workers.map((worker) => (
          <li key={worker.workerid}>
            <Link to="/workers">
              <span
                className={`dot ${worker.connected_to.length > 0 ? (worker.paused ? 'paused' : 'on') : 'off'}`}
                aria-hidden="true"
              />
              {worker.name}{' '}
              <span className="muted">
                {worker.connected_to.length === 0 ? 'not connected' : worker.paused ? 'paused' : 'connected'}
              </span>
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}
