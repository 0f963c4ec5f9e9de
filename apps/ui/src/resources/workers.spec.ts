import { describe, expect, it } from '@jest/globals';
import type { WorkerResource } from '@millrace/contracts';
import { workersAt } from './workers.js';

const worker = (name: string, configured: readonly (readonly [number, number])[], connectedTo: readonly number[]) =>
  ({
    name,
    configured_on: configured.map(([builderid, masterid]) => ({ builderid, masterid })),
    connected_to: connectedTo.map((masterid) => ({ masterid })),
  }) as WorkerResource;
const ALL = [
  worker('both', [[1, 7], [1, 8], [2, 7]], [8]), // prettier-ignore
  worker('one', [[2, 7]], [7]),
  worker('none', [], []),
];

describe('workersAt', () => {
  it.each([
    [{ builderid: 1 }, [['both', '1@7 1@8', '8']]],
    [{ masterid: 7 }, [['both', '1@7 2@7', ''], ['one', '2@7', '7']]], // prettier-ignore
    [{ masterid: 8, builderid: 1 }, [['both', '1@8', '8']]],
    [{ masterid: 8, builderid: 2 }, []],
    [{ masterid: 0 }, []],
  ])('returns the workers at %j, with what is there only', (place, expected) => {
    const found = workersAt(place, ALL).map(({ name, configured_on: configured, connected_to: connected }) => [
      name,
      configured.map(({ builderid, masterid }) => `${builderid}@${masterid}`).join(' '),
      connected.map(({ masterid }) => masterid).join(' '),
    ]);
    expect(found).toEqual(expected);
  });
});
