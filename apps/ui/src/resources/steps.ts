import { EVENTS, type StepResource } from '@millrace/contracts';
import { STEP_SHAPE } from '@millrace/database';
import type { Reads } from '../reads.js';
import { buildAddresses } from './builds.js';
import {
  address,
  type Address,
  addressesBelow,
  type Resource,
  resource,
  type ResourcePorts,
  smallListBelow,
} from './resource.js';
import { withoutLockHolders } from './seen.js';

/** Returns all addresses of a step. */
export function stepAddresses(reads: Reads): Address[] {
  const builds = buildAddresses(reads);
  const where = async (buildId: number, is: (step: StepResource) => boolean): Promise<number | null> =>
    (await reads.steps.ofBuild(buildId)).find(is)?.stepid ?? null;
  return [
    address('steps/n:stepid', ([id]) => id),
    ...addressesBelow(builds, 'steps/n:step_number', (build, number: number) =>
      where(build, (step) => step.number === number),
    ),
    ...addressesBelow(builds, 'steps/s:step_name', (build, name: string) => where(build, (step) => step.name === name)),
  ];
}

export function steps({ reads }: ResourcePorts): Resource {
  const { steps } = reads;
  return resource<StepResource>({
    name: 'step',
    shape: STEP_SHAPE,
    async seen(rows, sight) {
      const builders = await reads.belongings.buildersOf(
        'builds',
        rows.map(({ buildid }) => buildid),
      );
      return rows.flatMap((row) =>
        builders.get(row.buildid)?.some((id) => sight.seesBuilder(id))
          ? [{ ...row, state_string: withoutLockHolders(row.state_string) }]
          : [],
      );
    },
    one: {
      at: stepAddresses(reads),
      read: async (id) => (await steps.byIds([id]))[0] ?? null,
    },
    reads: smallListBelow(buildAddresses(reads), 'steps', (id) => steps.ofBuild(id)),
    events: {
      topic: 'builds.*.steps.:id.:event',
      names: EVENTS.steps,
      load: (ids) => steps.byIds(ids),
      idOf: (step) => step.stepid,
      keys: (step, event) =>
        whatIsTold(step, event).flatMap((told) => [
          `builds/${step.buildid}/steps/${step.stepid}/${told}`,
          `steps/${step.stepid}/${told}`,
        ]),
      // The logs of a step end with it.
      entails: [{ event: 'finished', rows: (ids) => steps.logIdsOfSteps(ids), resource: 'logs', as: 'finished' }],
      found: { changed: { in: 'steps', appeared: 'started', changed: 'updated', vanished: 'finished' } },
    },
  });
}

/** Returns the events that one stands for. A step is made when it starts, and the first one, the worker's preparing, when it is over. */
function whatIsTold({ number }: StepResource, event: string): string[] {
  if (event === 'started') return ['new', event];
  return event === 'finished' && number === 0 ? ['new', 'started', event] : [event];
}
