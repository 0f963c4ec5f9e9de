import type { ReactNode } from 'react';
import { Navigate, NavLink, Route, Routes } from 'react-router';
import { useSocketState, useTrouble } from './data/live';
import { useSite } from './data/site';
import { PUBLIC_PATH } from './data/public-path';
import { OfBuild, OfBuilder, Start } from './pages/addresses';
import { AuditPage } from './pages/audit';
import { BuildPage } from './pages/build';
import { BuilderPage } from './pages/builder';
import { ChangePage, ChangesPage } from './pages/changes';
import { ConfigurationPage, RevisionPage } from './pages/configuration';
import { DeliveriesPage, DeliveryPage } from './pages/deliveries';
import { HomePage } from './pages/home';
import { LocksPage } from './pages/locks';
import { LogPage } from './pages/log';
import { LoginPage } from './pages/login';
import { MastersPage } from './pages/masters';
import { NotFoundPage } from './pages/not-found';
import { PendingPage } from './pages/pending';
import { RequestPage } from './pages/request';
import { SchedulersPage } from './pages/schedulers';
import { WaterfallPage } from './pages/waterfall';
import { WorkerPage } from './pages/worker';
import { WorkersPage } from './pages/workers';
import { Account } from './parts/account';

const LINKS = [
  ['/', 'Home'],
  ['/waterfall', 'Waterfall'],
  ['/pending', 'Queue'],
  ['/changes', 'Changes'],
  ['/deliveries', 'Deliveries'],
  ['/workers', 'Workers'],
  ['/schedulers', 'Schedulers'],
  ['/locks', 'Locks'],
  ['/masters', 'Masters'],
  ['/configuration', 'Configuration'],
] as const;

export function App(): ReactNode {
  const site = useSite();
  if (!site.mayRead) return <Closed />;
  const links = site.refused.audit === undefined ? [...LINKS, ['/audit', 'Audit'] as const] : LINKS;
  return (
    <>
      <a className="skip" href="#main">
        Skip to content
      </a>
      <header className="top">
        <NavLink to="/" className="brand" end>
          <img src={`${PUBLIC_PATH}/icon.svg`} alt="" width="22" height="22" />
          {site.title}
        </NavLink>
        <nav aria-label="Main">
          {links.map(([to, text]) => (
            <NavLink key={to} to={to} end={to === '/'}>
              {text}
            </NavLink>
          ))}
        </nav>
        <Account />
      </header>
      <Notices />
      <main id="main" tabIndex={-1}>
        <Routes>
          <Route
            path="/"
            element={
              <Start>
                <HomePage />
              </Start>
            }
          />
          <Route path="/waterfall" element={<WaterfallPage />} />
          <Route path="/builders" element={<Navigate replace to="/" />} />
          <Route path="/builders/:builderid" element={<OfBuilder />}>
            <Route index element={<BuilderPage />} />
            <Route path="builds/:number" element={<BuildPage />} />
            <Route path="builds/:number/steps/:step/logs/:slug" element={<LogPage />} />
          </Route>
          <Route path="/builds/:buildid/*" element={<OfBuild />} />
          <Route path="/pending" element={<PendingPage />} />
          <Route path="/pendingbuildrequests" element={<Navigate replace to="/pending" />} />
          <Route path="/requests/:uuid" element={<RequestPage />} />
          <Route path="/buildrequests/:uuid" element={<RequestPage />} />
          <Route path="/changes" element={<ChangesPage />} />
          <Route path="/changes/:changeid" element={<ChangePage />} />
          <Route path="/deliveries" element={<DeliveriesPage />} />
          <Route path="/deliveries/:deliveryid" element={<DeliveryPage />} />
          <Route path="/workers" element={<WorkersPage />} />
          <Route path="/workers/:workerid" element={<WorkerPage />} />
          <Route path="/schedulers" element={<SchedulersPage />} />
          <Route path="/locks" element={<LocksPage />} />
          <Route path="/audit" element={<AuditPage />} />
          <Route path="/login" element={<LoginPage />} />
          <Route path="/masters" element={<MastersPage />} />
          <Route path="/configuration" element={<ConfigurationPage />} />
          <Route path="/configuration/:revisionid" element={<RevisionPage />} />
          <Route path="*" element={<NotFoundPage />} />
        </Routes>
      </main>
    </>
  );
}

/** All that somebody sees who may not read. */
function Closed(): ReactNode {
  const { title } = useSite();
  return (
    <>
      <header className="top">
        <span className="brand">
          <img src={`${PUBLIC_PATH}/icon.svg`} alt="" width="22" height="22" />
          {title}
        </span>
        <Account />
      </header>
      <main id="main" tabIndex={-1}>
        <LoginPage />
      </main>
    </>
  );
}

function Notices(): ReactNode {
  const connection = useSocketState();
  const trouble = useTrouble();
  const { bus } = useSite();
  return (
    <div aria-live="polite">
      {connection === 'reconnecting' && (
        <p className="notice">Connection to the server lost; reconnecting. What you see may be old.</p>
      )}
      {connection === 'open' && trouble !== null && (
        <p className="notice">Not everything could be fetched; trying again. What you see may be old. ({trouble})</p>
      )}
      {connection === 'open' && bus === 'connecting' && (
        <p className="notice">The message bus is away. Everything goes on, and shows here a little later.</p>
      )}
    </div>
  );
}
