import type { BuildResource } from '@millrace/contracts';
import type { ReactNode } from 'react';
import { codebaseValues, duration, property, shortRevision } from '../data/format';
import { useNow } from '../data/live';
import { Ago, Branch, BuilderLink, BuildLink, Took, WorkerLink } from './basics';

export function BuildTable({
  builds,
  showBuilder = true,
}: {
  builds: readonly BuildResource[];
  showBuilder?: boolean;
}): ReactNode {
  return (
    <div className="scroll-x">
      <table className="rows">
        <thead>
          <tr>
            <th>Build</th>
            {showBuilder && <th>Builder</th>}
            <th>Source</th>
            <th className="wide">State</th>
            <th>Worker</th>
            <th className="right">Took</th>
            <th className="right">Started</th>
          </tr>
        </thead>
        <tbody>
          {builds.map((build) => (
            <tr key={build.buildid}>
              <td>
                <BuildLink build={build} />
              </td>
              {showBuilder && (
                <td>
                  <BuilderLink id={build.builderid} />
                </td>
              )}
              <td>
                <Source build={build} />
              </td>
              <td className="wide">{build.state_string}</td>
              <td>
                <WorkerLink id={build.workerid} />
              </td>
              <td className="right">
                <Took from={build.started_at} to={build.complete_at} />
              </td>
              <td className="right muted">
                <Ago at={build.started_at} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Source({ build }: { build: BuildResource }): ReactNode {
  const branch = property(build.properties, 'branch');
  const got = codebaseValues(build.properties, 'got_revision');
  const revisions = got.length > 0 ? got : codebaseValues(build.properties, 'revision');
  if (!branch && revisions.length === 0) return <span className="muted">–</span>;
  return (
    <>
      {branch && <Branch name={branch} />}
      {revisions.map(({ codebase, value }) => (
        <span key={codebase}>
          {' '}
          {codebase} <code title={value}>{shortRevision(value)}</code>
        </span>
      ))}
    </>
  );
}

/** Progress of a running build, if it takes as long as the last successful one. */
export function Progress({
  build,
  expectedSeconds,
}: {
  build: BuildResource;
  expectedSeconds: number | null;
}): ReactNode {
  const now = useNow();
  const elapsed = Math.max(0, now - build.started_at);
  if (!expectedSeconds) return <span className="muted num">{duration(elapsed)}</span>;
  const left = expectedSeconds - elapsed;
  return (
    <span className="progress">
      <progress max={expectedSeconds} value={Math.min(elapsed, expectedSeconds)} />
      <span className="num muted">
        {duration(elapsed)}, {left >= 0 ? `about ${duration(left)} left` : `${duration(-left)} over`}
      </span>
    </span>
  );
}
