import type { BuildResource, WorkerResource } from '@millrace/contracts';
import type { ReactNode } from 'react';
import { Link, useParams } from 'react-router';
import { dateTime } from '../data/format';
import { useLive, useNow } from '../data/live';
import { buildsOfWorker } from '../data/queries';
import { useSite } from '../data/site';
import { infoText, isQuarantined } from '../data/workers';
import { Ago, BuilderLink, Empty, Loading, More, pageStateOf, usePageTitle } from '../parts/basics';
import { BuildTable } from '../parts/build-table';
import { WorkerControls, WorkerState } from '../parts/worker-controls';
import { NotFoundPage } from './not-found';

export function WorkerPage(): ReactNode {
  const { workerid } = useParams();
  const site = useSite();
  const worker = site.workers.get(Number(workerid));
  if (worker) return <Worker key={worker.workerid} worker={worker} />;
  return site.ready ? <NotFoundPage what={`There is no worker ${workerid}.`} /> : <Loading />;
}

function Worker({ worker }: { worker: WorkerResource }): ReactNode {
  const builds = useLive<BuildResource>(buildsOfWorker(worker.workerid));
  usePageTitle(worker.name, pageStateOf(builds.items ?? []));
  return (
    <>
      <header className="page-head">
        <div>
          <p className="crumbs">
            <Link to="/workers">Workers</Link>
          </p>
          <h1>{worker.name}</h1>
          <p className="lead">
            <WorkerState worker={worker} />
          </p>
        </div>
        <div className="actions">
          <WorkerControls worker={worker} all />
        </div>
      </header>
      <Facts worker={worker} />
      <section>
        <h2>Builds</h2>
        {!builds.items && <Loading error={builds.error} />}
        {builds.items?.length === 0 && <Empty>It has built nothing yet.</Empty>}
        {builds.items && builds.items.length > 0 && <BuildTable builds={builds.items} />}
        <More live={builds} />
      </section>
    </>
  );
}

function Facts({ worker }: { worker: WorkerResource }): ReactNode {
  const { masters } = useSite();
  const now = useNow();
  const builders = [...new Set(worker.configured_on.map((place) => place.builderid))];
  const facts: [string, ReactNode][] = [
    [
      'Engine',
      worker.connected_to.map(({ masterid }) => masters.get(masterid)?.name ?? `master ${masterid}`).join(', '),
    ],
    ['Connected since', worker.connected_since !== null && <Ago at={worker.connected_since} />],
    ['Last seen', worker.last_seen_at === null ? 'never' : <Ago at={worker.last_seen_at} />],
    ['Missing since', worker.missing_since !== null && <Ago at={worker.missing_since} />],
    ['In quarantine until', isQuarantined(worker, now) && dateTime(worker.quarantined_until!)],
    ['Address', worker.address],
    ['Protocol', worker.protocol],
    ['Version', worker.version],
    ['Host', infoText(worker, 'host')],
    ['Admin', infoText(worker, 'admin')],
    ['Builds at a time', worker.max_builds],
    [
      'Builders',
      builders.map((id) => (
        <span key={id} className="inline-build">
          <BuilderLink id={id} />
        </span>
      )),
    ],
  ];
  return (
    <dl className="facts">
      {facts
        .filter(([, value]) => value !== null && value !== false && value !== '')
        .map(([name, value]) => (
          <div key={name} className="contents">
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
