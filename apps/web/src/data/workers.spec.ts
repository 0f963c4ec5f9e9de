import { describe, expect, it } from '@jest/globals';
import type { WorkerResource } from '@millrace/contracts';
import { isHeldBack, lookOfWorker } from './workers';

const HERE = { connected_to: [{ masterid: 1 }] };
const worker = (changes: Partial<WorkerResource>): WorkerResource => ({
  address: null,
  configured_on: [],
  connected_since: null,
  connected_to: [],
  graceful: false,
  last_seen_at: null,
  max_builds: 1,
  missing_since: null,
  name: 'w',
  pause_reason: null,
  paused: false,
  protocol: null,
  quarantine_reason: null,
  quarantined_until: null,
  shutdown_reason: null,
  version: null,
  workerid: 1,
  workerinfo: {},
  ...changes,
});

describe('lookOfWorker', () => {
  it.each<[Partial<WorkerResource>, string, string | null, boolean]>([
    [{}, 'off not connected', null, false],
    [HERE, 'on connected', null, false],
    [{ missing_since: 50 }, 'off missing', null, false],
    [{ ...HERE, missing_since: 50 }, 'on connected', null, false],
    [{ ...HERE, paused: true, pause_reason: 'repair' }, 'paused paused', 'repair', true],
    [{ paused: true }, 'off not connected, paused', null, true],
    [{ ...HERE, paused: true, graceful: true, shutdown_reason: 'old' }, 'paused shutting down when idle', 'old', true],
    [{ ...HERE, quarantined_until: 101, quarantine_reason: 'bad' }, 'paused in quarantine', 'bad', true],
    [{ ...HERE, quarantined_until: 100, quarantine_reason: 'bad' }, 'on connected', null, false],
  ])('%j is %s', (changes, look, reason, heldBack) => {
    const { dot, text, reason: shown } = lookOfWorker(worker(changes), 100);
    expect([`${dot} ${text}`, shown]).toEqual([look, reason]);
    expect(isHeldBack(worker(changes), 100)).toBe(heldBack);
  });
});
