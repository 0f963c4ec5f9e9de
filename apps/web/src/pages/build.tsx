import type {
  AdoptionResource,
  BuildRequestResource,
  BuildResource,
  BuildsetResource,
  ChangeResource,
  LogResource,
  StepResource,
} from '@millrace/contracts';
import type { Properties } from '@millrace/domain';
import { type ReactNode, useEffect, useMemo, useState } from 'react';
import { Link, useNavigate, useParams } from 'react-router';
import { control } from '../data/api';
import { childrenOf } from '../data/children';
import { dateTime, idOf, property } from '../data/format';
import { useLive, useLiveOne } from '../data/live';
import { lookOf } from '../data/results';
import { useSite } from '../data/site';
import { LogView } from '../log/log-view';
import { ActionButton, Ago, Badge, Empty, Loading, pageStateOf, Took, usePageTitle, WorkerLink } from '../parts/basics';
import { Progress, Source } from '../parts/build-table';
import { Children } from '../parts/children';
import { BuildData, TestResults } from '../parts/records';
import { ChangeList } from './changes';
import { NotFoundPage } from './not-found';

export function BuildPage(): ReactNode {
  const { builderid, number: text } = useParams();
  const number = idOf(text);
  const { item: build, error } = useLiveOne<BuildResource>(
    number === null
      ? null
      : {
          path: `builds?builderid=${Number(builderid)}&number=${number}&property=*`,
          plural: 'builds',
          id: (one) => one.buildid,
          topics: [`builders/${Number(builderid)}/builds/${number}/*`],
        },
  );
  const builder = useSite().builders.get(Number(builderid));
  usePageTitle(builder ? `#${text} ${builder.name}` : `Build ${text}`, build ? pageStateOf([build]) : 'plain');
  if (number === null || build === null) return <NotFoundPage what={`There is no build ${text} of this builder.`} />;
  if (!build) return <Loading error={error} />;
  return <Build key={build.buildid} build={build} />;
}

function Build({ build }: { build: BuildResource }): ReactNode {
  const builder = useSite().builders.get(build.builderid);
  const navigate = useNavigate();
  const path = `/builders/${build.builderid}`;
  const rebuild = async (what: 'all' | 'failed'): Promise<void> => {
    const [, requests] = (await control(`builds/${build.buildid}`, 'rebuild', { what })) as [
      number,
      Record<string, number>,
    ];
    await navigate(`/buildrequests/${Object.values(requests)[0]}`);
  };
  return (
    <>
      <header className="page-head">
        <div>
          <p className="crumbs">
            <Link to={path}>{builder?.name ?? `builder ${build.builderid}`}</Link>
          </p>
          <h1>
            Build #{build.number} <Badge look={lookOf(build)} />
          </h1>
          <p className="lead">{build.state_string}</p>
        </div>
        <div className="actions">
          <Neighbours build={build} />
          {build.complete ? (
            <>
              <RebuildFailed build={build} action={() => rebuild('failed')} />
              <ActionButton needs="rebuild" action={() => rebuild('all')} className="primary">
                Rebuild
              </ActionButton>
            </>
          ) : (
            <ActionButton
              needs="stop"
              action={() => control(`builds/${build.buildid}`, 'stop', { reason: 'stopped on the build page' })}
              className="danger"
              confirm={`Stop build #${build.number}?`}
            >
              Stop
            </ActionButton>
          )}
        </div>
      </header>
      <Facts build={build} />
      <TestResults build={build} />
      <Steps build={build} />
      <BuildData build={build} />
      <Changes build={build} />
      <PropertyTable properties={build.properties} />
    </>
  );
}

/** The button that keeps the good ones of the triggered builds, for a build that has triggered some and went wrong. */
function RebuildFailed({ build, action }: { build: BuildResource; action: () => Promise<void> }): ReactNode {
  const { item: child } = useLiveOne<BuildResource>(
    build.results === 0
      ? null
      : {
          path: `builds/${build.buildid}/triggered_builds?limit=1`,
          plural: 'builds',
          id: (one) => one.buildid,
          topics: [],
        },
  );
  if (!child) return null;
  return (
    <ActionButton needs="rebuild" action={action}>
      Rebuild what failed
    </ActionButton>
  );
}

/** Links to the builds before and after this one of the same builder. */
function Neighbours({ build }: { build: BuildResource }): ReactNode {
  const [before, after] = [build.number - 1, build.number + 1];
  const builds = useLive<BuildResource>({
    path: `builds?builderid=${build.builderid}&number=${before}&number=${after}`,
    plural: 'builds',
    id: (one) => one.buildid,
    topics: [`builders/${build.builderid}/builds/${after}/*`],
  });
  const link = (number: number, text: string, rel: string): ReactNode =>
    builds.items?.some((one) => one.number === number) && (
      <Link className="button" to={`/builders/${build.builderid}/builds/${number}`} rel={rel}>
        {text}
      </Link>
    );
  return (
    <>
      {link(before, `← #${before}`, 'prev')}
      {link(after, `#${after} →`, 'next')}
    </>
  );
}

function Facts({ build }: { build: BuildResource }): ReactNode {
  const { builders } = useSite();
  const greenId = builders.get(build.builderid)?.latest_green_buildid ?? null;
  const { item: green } = useLiveOne<BuildResource>(
    build.complete || greenId === null
      ? null
      : { path: `builds?buildid=${greenId}`, plural: 'builds', id: (one) => one.buildid, topics: [] },
  );
  const { item: request } = useLiveOne<BuildRequestResource>({
    path: `buildrequests/${build.buildrequestid}`,
    plural: 'buildrequests',
    id: (one) => one.buildrequestid,
    topics: [`buildrequests/${build.buildrequestid}/*`],
  });
  const { item: buildset } = useLiveOne<BuildsetResource>(
    request
      ? { path: `buildsets/${request.buildsetid}`, plural: 'buildsets', id: (one) => one.bsid, topics: [] }
      : null,
  );
  const owner =
    property(build.properties, 'owner') ?? (build.properties.owners?.[0] as readonly string[] | undefined)?.join(', ');
  return (
    <dl className="facts">
      <dt>Source</dt>
      <dd>
        <Source build={build} />
      </dd>
      <dt>Why</dt>
      <dd>{buildset ? buildset.reason : '…'}</dd>
      {buildset?.parent_buildid && (
        <>
          <dt>{buildset.parent_relationship}</dt>
          <dd>
            <Link to={`/builds/${buildset.parent_buildid}`}>build {buildset.parent_buildid}</Link>
          </dd>
        </>
      )}
      {owner && (
        <>
          <dt>Who</dt>
          <dd>{owner}</dd>
        </>
      )}
      <dt>Started</dt>
      <dd>
        {dateTime(build.started_at)}{' '}
        <span className="muted">
          (<Ago at={build.started_at} />)
        </span>
      </dd>
      <dt>{build.complete ? 'Took' : 'Running'}</dt>
      <dd>
        {build.complete ? (
          <Took from={build.started_at} to={build.complete_at} />
        ) : (
          <Progress
            build={build}
            expectedSeconds={green ? (green.complete_at ?? green.started_at) - green.started_at : null}
          />
        )}
      </dd>
      <dt>Worker</dt>
      <dd>
        <WorkerLink id={build.workerid} />
      </dd>
      <dt>Request</dt>
      <dd>
        {request ? <Link to={`/requests/${request.uuid}`}>{request.buildrequestid}</Link> : build.buildrequestid}
        {build.attempt > 1 && <span className="muted">, attempt {build.attempt}</span>}
      </dd>
      <Adoptions key={`${build.masterid} ${build.complete}`} build={build} />
    </dl>
  );
}

/** The engines that a build went through when it outlived an engine or its worker's connection. Fetched again at every adoption. */
function Adoptions({ build }: { build: BuildResource }): ReactNode {
  const { masters } = useSite();
  const adoptions = useLive<AdoptionResource>({
    path: `builds/${build.buildid}/adoptions`,
    plural: 'adoptions',
    id: (one) => one.adoptionid,
    topics: [],
  });
  if (!adoptions.items?.length) return null;
  const engine = (id: number): string => masters.get(id)?.name ?? `master ${id}`;
  return (
    <>
      <dt>Adopted</dt>
      <dd>
        {adoptions.items.map((one) => (
          <div key={one.adoptionid}>
            {one.from_masterid === one.to_masterid
              ? `its worker came back to ${engine(one.to_masterid)}`
              : `from ${engine(one.from_masterid)} by ${engine(one.to_masterid)}`}{' '}
            <span className="muted">{dateTime(one.adopted_at)}</span>
          </div>
        ))}
      </dd>
    </>
  );
}

function Steps({ build }: { build: BuildResource }): ReactNode {
  const steps = useLive<StepResource>({
    path: `builds/${build.buildid}/steps`,
    plural: 'steps',
    id: (step) => step.stepid,
    topics: [`builds/${build.buildid}/steps/*/*`],
    compare: (a, b) => a.number - b.number,
  });
  const shown = useMemo(() => steps.items?.filter((step) => !step.hidden) ?? [], [steps.items]);
  const logTopics = useMemo(() => (steps.items ?? []).map((step) => `steps/${step.stepid}/logs/*/*`), [steps.items]);
  const logs = useLive<LogResource>({
    path: `builds/${build.buildid}/logs`,
    plural: 'logs',
    id: (log) => log.logid,
    topics: logTopics,
    compare: (a, b) => a.logid - b.logid,
  });
  // For a finished build the first step that went wrong, for a running one the running step.
  const telling = build.complete
    ? shown.find((step) => step.results === 2 || step.results === 4)
    : shown.findLast((step) => !step.complete);
  return (
    <section>
      <h2>Steps</h2>
      {!steps.items && <Loading error={steps.error} />}
      {steps.items?.length === 0 && <Empty>{build.complete ? 'No step was run.' : 'No step has started yet.'}</Empty>}
      <ol className="steps">
        {shown.map((step) => (
          <Step
            key={step.stepid}
            build={build}
            step={step}
            logs={(logs.items ?? []).filter((log) => log.stepid === step.stepid)}
            telling={telling?.stepid === step.stepid}
          />
        ))}
      </ol>
    </section>
  );
}

function Step({
  build,
  step,
  logs,
  telling,
}: {
  build: BuildResource;
  step: StepResource;
  logs: readonly LogResource[];
  telling: boolean;
}): ReactNode {
  // Null while the user has not opened or closed it: then the step's state decides.
  const [chosen, setChosen] = useState<boolean | null>(null);
  const [slug, setSlug] = useState<string | null>(null);
  const navigate = useNavigate();
  const open = chosen ?? telling;
  const log = logs.find((one) => one.slug === slug) ?? logs[0];
  const { links, children } = useMemo(() => childrenOf(step.urls), [step.urls]);
  useEffect(() => {
    // A step that was opened because it ran is closed when the next step begins, unless the user touched it.
    if (!telling && chosen === null) setSlug(null);
  }, [telling, chosen]);
  return (
    <li className={`step r-${lookOf(step).slug}`}>
      <div className="step-head">
        <button
          type="button"
          className="step-toggle"
          aria-expanded={open}
          onClick={() => setChosen(!open)}
          disabled={logs.length === 0}
        >
          <span aria-hidden="true" className="caret">
            {logs.length === 0 ? '' : open ? '▾' : '▸'}
          </span>
          <Badge look={lookOf(step)} bare />
          <span className="step-name">{step.name}</span>
        </button>
        <span className="grow muted">{step.state_string}</span>
        {links.map((url) => (
          <a key={url.url} href={safeHref(url.url)} rel="noreferrer">
            {url.name}
          </a>
        ))}
        {logs.map((one) => (
          <Link
            key={one.logid}
            className="small"
            to={`/builders/${build.builderid}/builds/${build.number}/steps/${step.number}/logs/${one.slug}`}
          >
            {one.name}
          </Link>
        ))}
        <span className="muted when">
          {step.started_at !== null && <Took from={step.started_at} to={step.complete_at} />}
        </span>
      </div>
      {children.length > 0 && <Children requestIds={children} />}
      {open && log && (
        <>
          {logs.length > 1 && (
            <div className="segmented" role="group" aria-label="Log">
              {logs.map((one) => (
                <button key={one.slug} type="button" aria-pressed={one === log} onClick={() => setSlug(one.slug)}>
                  {one.name}
                </button>
              ))}
            </div>
          )}
          <LogView
            key={log.logid}
            log={log}
            embedded
            onLinkLine={(line) =>
              void navigate(
                `/builders/${build.builderid}/builds/${build.number}/steps/${step.number}/logs/${log.slug}#L${line}`,
              )
            }
          />
        </>
      )}
    </li>
  );
}

/** Returns a build's link if it is safe. Builds may name any address; only those that cannot run code here become links. */
function safeHref(url: string): string | undefined {
  return /^(https?:|mailto:|\/)/i.test(url) ? url : undefined;
}

function Changes({ build }: { build: BuildResource }): ReactNode {
  const changes = useLive<ChangeResource>({
    path: `builds/${build.buildid}/changes?limit=50`,
    plural: 'changes',
    id: (change) => change.changeid,
    topics: [],
  });
  if (!changes.items?.length) return null;
  return (
    <section>
      <h2>
        Changes <span className="count">{changes.items.length}</span>
      </h2>
      <ChangeList changes={changes.items} />
    </section>
  );
}

function PropertyTable({ properties }: { properties: Properties }): ReactNode {
  const names = Object.keys(properties).sort();
  if (names.length === 0) return null;
  return (
    <section>
      <details>
        <summary>
          <h2>
            Properties <span className="count">{names.length}</span>
          </h2>
        </summary>
        <div className="scroll-x">
          <table className="rows properties">
            <tbody>
              {names.map((name) => {
                const [value, source] = properties[name]!;
                return (
                  <tr key={name}>
                    <th scope="row">{name}</th>
                    <td className="wide">
                      <code>{typeof value === 'string' ? value : JSON.stringify(value)}</code>
                    </td>
                    <td className="muted">{source}</td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </div>
      </details>
    </section>
  );
}
