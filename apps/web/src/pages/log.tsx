import type { BuildResource, LogResource, StepResource } from '@millrace/contracts';
import type { ReactNode } from 'react';
import { Link, useLocation, useNavigate, useParams } from 'react-router';
import { idOf } from '../data/format';
import { useLiveOne } from '../data/live';
import { lookOf } from '../data/results';
import { useSite } from '../data/site';
import { LogView } from '../log/log-view';
import { Badge, Loading, usePageTitle } from '../parts/basics';
import { NotFoundPage } from './not-found';

export function LogPage(): ReactNode {
  const { builderid, number: text, step: stepKey = '', slug = '' } = useParams();
  const number = idOf(text);
  const { hash } = useLocation();
  const navigate = useNavigate();
  const builder = useSite().builders.get(Number(builderid));
  const { item: build, error } = useLiveOne<BuildResource>(
    number === null
      ? null
      : {
          path: `builds?builderid=${Number(builderid)}&number=${number}`,
          plural: 'builds',
          id: (one) => one.buildid,
          topics: [`builders/${Number(builderid)}/builds/${number}/*`],
        },
  );
  const { item: step, error: stepError } = useLiveOne<StepResource>(
    build
      ? {
          path: `builds/${build.buildid}/steps/${encodeURIComponent(stepKey)}`,
          plural: 'steps',
          id: (one) => one.stepid,
          topics: [`builds/${build.buildid}/steps/*/*`],
          keep: (one) => String(one.number) === stepKey || one.name === stepKey,
        }
      : null,
  );
  const { item: log, error: logError } = useLiveOne<LogResource>(
    step
      ? {
          path: `steps/${step.stepid}/logs/${encodeURIComponent(slug)}`,
          plural: 'logs',
          id: (one) => one.logid,
          topics: [`steps/${step.stepid}/logs/${slug}/*`],
        }
      : null,
  );
  usePageTitle(builder && step ? `${step.name} ${slug} · #${number} ${builder.name}` : 'Log');
  if (number === null || build === null || step === null || log === null)
    return <NotFoundPage what="There is no such log." />;
  if (!build || !step || !log) return <Loading error={error ?? stepError ?? logError} />;
  const buildPath = `/builders/${build.builderid}/builds/${build.number}`;
  const linked = /^#L(\d{1,12})$/.exec(hash);
  return (
    <div className="log-page">
      <p className="crumbs">
        <Link to={`/builders/${build.builderid}`}>{builder?.name}</Link> <Link to={buildPath}>#{build.number}</Link>{' '}
        {step.name}
      </p>
      <h1>
        {log.name} <Badge look={lookOf(step)} />
      </h1>
      <LogView
        key={log.logid}
        log={log}
        linkedLine={linked ? Number(linked[1]) : null}
        onLinkLine={(line) => void navigate({ hash: `#L${line}` }, { replace: true })}
      />
    </div>
  );
}
