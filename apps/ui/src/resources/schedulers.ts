import { EVENTS, hints, type SchedulerResource } from '@millrace/contracts';
import { CATALOG } from '@millrace/database';
import { EnableParams } from './params.js';
import {
  type Action,
  action,
  address,
  type Resource,
  resource,
  type ResourcePorts,
  single,
  smallList,
} from './resource.js';

export function schedulers({ reads: { catalog }, actions, publish }: ResourcePorts): Resource {
  const of = async (masterId: number): Promise<SchedulerResource[]> =>
    (await catalog.schedulers()).filter(({ master }) => master?.masterid === masterId);
  const settle = (how: 'take' | 'drop'): Action<number> => ({
    permission: 'enable',
    params: null,
    async run(_caller, schedulerId) {
      await actions.settleBacklog(schedulerId, how);
      publish(hints.scheduler(schedulerId));
      return null;
    },
  });
  return resource<SchedulerResource>({
    name: 'scheduler',
    shape: CATALOG.schedulers,
    seen: (rows, sight) => rows.filter(({ name }) => sight.seesScheduler(name)),
    embeds: { master: { resource: 'master', isList: false } },
    one: {
      at: [address('schedulers/n:schedulerid', ([id]) => id)],
      read: async (id) => (await catalog.schedulers()).find((one) => one.schedulerid === id) ?? null,
    },
    reads: [
      smallList('schedulers', () => catalog.schedulers()),
      smallList('masters/n:masterid/schedulers', ([masterId]) => of(masterId)),
      single(
        'masters/n:masterid/schedulers/n:schedulerid',
        async ([masterId, id]) => (await of(masterId)).find((one) => one.schedulerid === id) ?? null,
      ),
    ],
    places: async (id) =>
      (await catalog.schedulers()).filter((one) => one.schedulerid === id).map(({ name }) => ({ scheduler: name })),
    actions: {
      enable: action({
        permission: 'enable',
        params: EnableParams,
        async run(_caller, schedulerId: number, { enabled }) {
          await actions.enableScheduler(schedulerId, enabled);
          publish(hints.scheduler(schedulerId));
          return null;
        },
      }),
      take_backlog: settle('take'),
      drop_backlog: settle('drop'),
    },
    events: {
      topic: 'schedulers.:id.:event',
      names: EVENTS.schedulers,
      load: () => catalog.schedulers(),
      idOf: (scheduler) => scheduler.schedulerid,
      keys: (scheduler, event) => [`schedulers/${scheduler.schedulerid}/${event}`],
      found: { changed: { in: 'schedulers', appeared: 'updated', changed: 'updated', vanished: null } },
    },
  });
}
