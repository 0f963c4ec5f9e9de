import type { SchedulerResource } from '@millrace/contracts';
import type { ReactNode } from 'react';
import { control } from '../data/api';
import { dateTime } from '../data/format';
import { useLive } from '../data/live';
import { ActionButton, Empty, Loading, usePageTitle } from '../parts/basics';
import { ChangeSources } from '../parts/change-sources';

export function SchedulersPage(): ReactNode {
  usePageTitle('Schedulers');
  const schedulers = useLive<SchedulerResource>({
    path: 'schedulers?order=name',
    plural: 'schedulers',
    id: (scheduler) => scheduler.schedulerid,
    topics: ['schedulers/*/*'],
    compare: (a, b) => a.name.localeCompare(b.name),
  });
  return (
    <>
      <h1>Schedulers</h1>
      {!schedulers.items && <Loading error={schedulers.error} />}
      {schedulers.items?.length === 0 && <Empty>No scheduler is configured.</Empty>}
      {schedulers.items && schedulers.items.length > 0 && (
        <div className="scroll-x">
          <table className="rows">
            <thead>
              <tr>
                <th>Scheduler</th>
                <th>Kind</th>
                <th className="wide">State</th>
                <th />
              </tr>
            </thead>
            <tbody>
              {schedulers.items.map((scheduler) => (
                <tr key={scheduler.schedulerid}>
                  <td>
                    <strong>{scheduler.name}</strong>
                  </td>
                  <td className="muted">{scheduler.kind}</td>
                  <td className="wide">
                    <span className={`dot ${scheduler.enabled ? 'on' : 'off'}`} aria-hidden="true" />{' '}
                    {scheduler.enabled ? 'enabled' : 'switched off'}
                    {scheduler.master && <span className="muted">, active on {scheduler.master.name}</span>}
                    {scheduler.wake_at !== null && (
                      <span className="muted">, next at {dateTime(scheduler.wake_at)}</span>
                    )}
                    {scheduler.called_at !== null && (
                      <span className="muted">, for the call of {dateTime(scheduler.called_at)}</span>
                    )}
                  </td>
                  <td className="right">
                    {scheduler.backlog > 0 && <Backlog scheduler={scheduler} />}
                    <ActionButton
                      needs="enable"
                      action={() =>
                        control(`schedulers/${scheduler.schedulerid}`, 'enable', { enabled: !scheduler.enabled })
                      }
                    >
                      {scheduler.enabled ? 'Switch off' : 'Switch on'}
                    </ActionButton>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <ChangeSources />
    </>
  );
}

/** Changes that arrived while the scheduler was switched off or not configured. The user builds or drops them. */
function Backlog({ scheduler }: { scheduler: SchedulerResource }): ReactNode {
  const { backlog, enabled, schedulerid } = scheduler;
  const count = backlog === 1 ? '1 change' : `${backlog}${backlog >= 1000 ? ' or more' : ''} changes`;
  return (
    <>
      <span className="muted">{count} not looked at </span>
      {enabled && (
        <>
          <ActionButton needs="enable" action={() => control(`schedulers/${schedulerid}`, 'take_backlog', {})}>
            Build them
          </ActionButton>{' '}
          <ActionButton needs="enable" action={() => control(`schedulers/${schedulerid}`, 'drop_backlog', {})}>
            Forget them
          </ActionButton>{' '}
        </>
      )}
    </>
  );
}
