import type { BuildResource, WorkerResource } from '@millrace/contracts';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { useLive } from '../data/live';
import { runningBuilds } from '../data/queries';
import { useSite } from '../data/site';
import { infoText } from '../data/workers';
import { Ago, BuilderLink, BuildLink, Empty, Loading, usePageTitle, WorkerName } from '../parts/basics';
import { WorkerControls, WorkerState } from '../parts/worker-controls';

export function WorkersPage(): ReactNode {
  const site = useSite();
  const running = useLive<BuildResource>(runningBuilds);
  usePageTitle('Workers');
  const workers = [...site.workers.values()];
  return (
    <>
      <h1>Workers</h1>
      {!site.ready && <Loading />}
      {site.ready && workers.length === 0 && <Empty>No worker is configured.</Empty>}
      {workers.length > 0 && (
        <div className="scroll-x">
          <table className="rows">
            <thead>
              <tr>
                <th>Worker</th>
                <th>State</th>
                <th className="wide">Building</th>
                <th>Host</th>
                <th>Engine</th>
                <th>Version</th>
                <th className="right">Last seen</th>
                <th />
              </tr>
            </thead>
            <tbody>
              {workers.map((worker) => (
                <Row
                  key={worker.workerid}
                  worker={worker}
                  builds={(running.items ?? []).filter((build) => build.workerid === worker.workerid)}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

function Row({ worker, builds }: { worker: WorkerResource; builds: readonly BuildResource[] }): ReactNode {
  const { masters } = useSite();
  const connected = worker.connected_to.length > 0;
  return (
    <tr>
      <td>
        <Link to={`/workers/${worker.workerid}`} title={worker.name}>
          <strong>
            <WorkerName name={worker.name} />
          </strong>
        </Link>
      </td>
      <td>
        <WorkerState worker={worker} />
      </td>
      <td className="wide">
        {builds.length === 0 && <span className="muted">{connected ? 'idle' : '–'}</span>}
        {builds.map((build) => (
          <span key={build.buildid} className="inline-build">
            <BuildLink build={build} /> <BuilderLink id={build.builderid} />
          </span>
        ))}{' '}
        <span className="muted small">
          {builds.length} of {worker.max_builds}
        </span>
      </td>
      <td className="muted">
        <span className="cut" title={infoText(worker, 'host')}>
          {infoText(worker, 'host') || '–'}
        </span>
      </td>
      <td className="muted">
        {worker.connected_to.map((place) => masters.get(place.masterid)?.name ?? place.masterid).join(', ') || '–'}
      </td>
      <td className="muted">{worker.version || '–'}</td>
      <td className="right muted">
        {connected ? 'now' : worker.last_seen_at ? <Ago at={worker.last_seen_at} /> : 'never'}
      </td>
      <td className="right">
        <WorkerControls worker={worker} />
      </td>
    </tr>
  );
}
