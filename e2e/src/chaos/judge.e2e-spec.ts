import { describe, expect, it } from '@jest/globals';
import { type Commit, type Disruption, type Evidence, judge } from './judge.js';
import { type LedgerLine, parseLedger } from './ledger.js';

const REVISION = 'a'.repeat(40);
const LEASE_MS = 3000;

/** Returns the ledger lines of one attempt, written as `what@time`. */
function lines(attempt: number, written: string, place: Partial<LedgerLine> = {}): LedgerLine[] {
  return written.split(' ').map((entry) => ({
    what: entry.split('@')[0]!,
    atMs: Number(entry.split('@')[1]),
    builder: 'steps',
    number: attempt,
    requestId: 1,
    attempt,
    worker: 'local',
    revision: REVISION,
    ...place,
  }));
}

const kill = (atMs: number, kind: Disruption['kind'] = 'engine'): Disruption => ({
  action: 'kill',
  kind,
  name: kind,
  worker: 'local',
  atMs,
  untilMs: atMs,
  backMs: atMs,
  heldAll: false,
});
const freeze = (atMs: number, untilMs: number): Disruption => ({
  ...kill(atMs),
  action: 'freeze',
  untilMs,
  backMs: untilMs,
});

const committed = (revision: string): Commit => ({ revision, pushedAtMs: 0, inOutage: false, builders: ['steps'] });
const evidence = (ledger: LedgerLine[], more: Partial<Evidence> = {}): Evidence => ({
  commits: [committed(REVISION)],
  followers: [],
  ledger: [...ledger, ...lines(1, 'begin@100 end@200', { builder: 'latest', requestId: 90 })],
  disruptions: [],
  logs: [],
  linesPerLog: 3,
  leaseMs: LEASE_MS,
  resumeWaitMs: 0,
  locked: { builder: 'steps', what: 'middle', forMs: 400 },
  counted: { builder: 'parent', most: 1 },
  slots: { everyMs: 1000, made: [] },
  collapsing: { builder: 'latest', requests: [{ requestId: 90, revision: REVISION, intoRequestId: null }] },
  leftOver: [],
  missing: [],
  trouble: null,
  ...more,
});

const second = { worker: 'second' };
const OTHER = 'b'.repeat(40);
/** Returns the evidence of builds of two commits. */
const ofTwo = (ledger: LedgerLine[], more: Partial<Evidence> = {}): Evidence =>
  evidence(ledger, {
    commits: [REVISION, OTHER].map(committed),
    collapsing: {
      builder: 'latest',
      requests: [
        { requestId: 89, revision: OTHER, intoRequestId: 90 },
        { requestId: 90, revision: REVISION, intoRequestId: null },
      ],
    },
    ...more,
  });
/** Returns the lines of another request, for another commit. */
const other = (written: string, place: Partial<LedgerLine> = {}): LedgerLine[] =>
  lines(1, written, { requestId: 2, number: 7, revision: OTHER, ...place });
const EACH = [...lines(1, 'begin@100 middle@500 end@900'), ...other('begin@100 middle@900 end@1300')];
const slots = (...dueMs: number[]): Pick<Evidence, 'slots'> => ({
  slots: { everyMs: 1000, made: dueMs.map((due, i) => ({ dueMs: due, buildsetId: i })) },
});
const collapsing = (...rows: readonly (readonly [number, string, number | null])[]): Pick<Evidence, 'collapsing'> => ({
  collapsing: {
    builder: 'latest',
    requests: rows.map(([requestId, revision, intoRequestId]) => ({ requestId, revision, intoRequestId })),
  },
});
const parent = (requestId: number, written: string): LedgerLine[] =>
  lines(1, written, { builder: 'parent', requestId, revision: requestId === 3 ? REVISION : OTHER });
const followed = (ledger: LedgerLine[], more: Partial<Evidence> = {}): Evidence =>
  evidence([...lines(1, 'begin@100 end@900'), ...ledger], {
    followers: [{ builder: 'child', after: ['steps'] }],
    ...more,
  });
const child = (requestId = 4): LedgerLine[] => lines(1, 'begin@1000 end@1100', { builder: 'child', requestId });
const withParents = (ledger: LedgerLine[]): Evidence =>
  ofTwo([...EACH, ...ledger], {
    commits: [REVISION, OTHER].map((revision) => ({ ...committed(revision), builders: ['steps', 'parent'] })),
  });

describe('the judge', () => {
  it.each<[string, Evidence]>([
    ['one undisturbed build', evidence(lines(1, 'begin@100 middle@500 end@900'))],
    [
      'a build that was hit long after its last command had begun',
      evidence([...lines(1, 'begin@100'), ...lines(2, 'begin@20000 end@20100')], { disruptions: [kill(9000)] }),
    ],
    [
      'a build that outlived its engine',
      evidence(lines(1, 'begin@100 middle@4500 end@9000'), { disruptions: [kill(300)] }),
    ],
    [
      'a build that outlived its engine, and again after its worker was killed',
      evidence([...lines(1, 'begin@100 middle@14000'), ...lines(2, 'begin@16000 end@16100')], {
        disruptions: [kill(300), kill(15_000, 'worker')],
      }),
    ],
    [
      'a build again after its engine was killed',
      evidence([...lines(1, 'begin@100'), ...lines(2, 'begin@4000 end@4100')], { disruptions: [kill(300)] }),
    ],
    [
      'a build whose end could not be written any more',
      evidence([...lines(1, 'begin@100 end@900'), ...lines(2, 'begin@4000 end@4100')], { disruptions: [kill(950)] }),
    ],
    [
      'a build that a frozen engine lost and did not go on with',
      evidence([...lines(1, 'begin@100'), ...lines(2, 'begin@3600 end@4100', second)], {
        disruptions: [freeze(200, 6000)],
      }),
    ],
    [
      'three deaths',
      evidence([...lines(1, 'begin@100'), ...lines(2, 'begin@4000'), ...lines(3, 'begin@8000')], {
        disruptions: [kill(300), kill(4100), kill(8100)],
      }),
    ],
    [
      'a rerun that had to wait for the other engine to start',
      evidence([...lines(1, 'begin@100'), ...lines(2, 'begin@14000 end@14100')], {
        disruptions: [kill(300), { ...kill(200), name: 'engine-2', worker: 'second', backMs: 7000 }],
      }),
    ],
    [
      'steps that had a lock one after the other',
      ofTwo([...lines(1, 'begin@100 middle@500 end@900'), ...other('begin@100 middle@900 end@1300')]),
    ],
    [
      'a step that left its lock early, because its worker was killed',
      ofTwo(
        [
          ...lines(1, 'begin@100 middle@500'),
          ...lines(2, 'begin@4000 middle@4500 end@5000'),
          ...other('begin@100 middle@600 end@1000', second),
        ],
        { disruptions: [kill(550, 'worker')] },
      ),
    ],
    ['a build that follows another', followed(child())],
    [
      'no build after one that was given up',
      evidence(lines(1, 'begin@100').concat(lines(2, 'begin@4000'), lines(3, 'begin@8000 end@8100')), {
        followers: [{ builder: 'child', after: ['steps'] }],
        disruptions: [kill(150), kill(4050), kill(8050)],
      }),
    ],
    [
      'a lock that one has after the other',
      withParents([...parent(3, 'begin@100 end@900'), ...parent(4, 'begin@900 end@1300')]),
    ],
    ['each time once', evidence(lines(1, 'begin@100 end@900'), slots(3000, 1000, 2000))],
    [
      'times that passed without a scheduler',
      evidence(lines(1, 'begin@100 end@900'), {
        ...slots(1000, 5000),
        disruptions: [{ ...kill(1500, 'scheduler'), worker: null, backMs: 4500 }],
      }),
    ],
    [
      'times that passed while an engine was frozen that held the only lock',
      evidence(lines(1, 'begin@100 end@900'), {
        ...slots(1000, 5000),
        disruptions: [{ ...freeze(1500, 4500), heldAll: true }],
      }),
    ],
    ['requests that were collapsed one into the other', ofTwo(EACH, collapsing([88, OTHER, 90], [90, REVISION, null]))],
    [
      'a prefix of a log, and all of it',
      evidence([...lines(1, 'begin@100'), ...lines(2, 'begin@4000 end@4100')], {
        disruptions: [kill(300)],
        logs: [
          { requestId: 1, attempt: 1, lines: [1, 2], steps: [0, 1] },
          { requestId: 1, attempt: 2, lines: [1, 2, 3], steps: [0, 1] },
        ],
      }),
    ],
  ])('accepts %s', (_name, seen) => {
    expect(judge(seen).violations).toEqual([]);
  });

  it.each<[string, string, Evidence]>([
    ['a lost commit', 'lost:', evidence([])],
    [
      'a lock that two have',
      'over-held:',
      ofTwo([...lines(1, 'begin@100 middle@500 end@900'), ...other('begin@100 middle@899 end@1300')]),
    ],
    [
      'a lock that another had while its engine was gone',
      'over-held:',
      ofTwo([...lines(1, 'begin@100 middle@500 end@4900'), ...other('begin@100 middle@700 end@1300', second)], {
        disruptions: [kill(600)],
      }),
    ],
    ['a triggered build that is not there', 'lost: child', followed([])],
    ['a build that was triggered twice', 'doubled: child', followed([...child(4), ...child(5)])],
    [
      'a build of what was for another builder',
      'hooked built',
      evidence([
        ...lines(1, 'begin@100 end@900'),
        ...lines(1, 'begin@100 end@900', { builder: 'hooked', requestId: 5 }),
      ]),
    ],
    [
      'more builds than a lock has units',
      'over-held:',
      withParents([...parent(3, 'begin@100 end@900'), ...parent(4, 'begin@899 end@1300')]),
    ],
    ['a time that was built twice', 'slot:', evidence(lines(1, 'begin@100 end@900'), slots(1000, 2000, 2000))],
    ['a time that was not built', 'slot:', evidence(lines(1, 'begin@100 end@900'), slots(1000, 3000))],
    [
      'a time that was not built long after a scheduler was killed',
      'slot:',
      evidence(lines(1, 'begin@100 end@900'), {
        ...slots(99_000, 101_000),
        disruptions: [{ ...kill(1500, 'scheduler'), worker: null, backMs: 4500 }],
      }),
    ],
    [
      'a time that was not built beside a frozen engine that held no lock',
      'slot:',
      evidence(lines(1, 'begin@100 end@900'), { ...slots(1000, 3000), disruptions: [freeze(1500, 4500)] }),
    ],
    ['a change that a scheduler lost', 'lost: latest', ofTwo(EACH, collapsing([90, REVISION, null]))],
    [
      'a change that a scheduler took twice',
      'doubled: latest',
      ofTwo(EACH, collapsing([88, OTHER, 90], [89, OTHER, 90], [90, REVISION, null])),
    ],
    [
      'a request that was collapsed into none',
      'collapsed: request 91',
      ofTwo(EACH, collapsing([91, OTHER, null], [90, REVISION, null])),
    ],
    [
      'a request that was collapsed into an older one',
      'collapsed: request 91',
      ofTwo(EACH, collapsing([91, OTHER, 90], [90, REVISION, null])),
    ],
    ['what waits for ever', 'waiting: request 7', evidence(lines(1, 'begin@100 end@900'), { leftOver: ['request 7'] })],
    [
      'a build of what nobody committed',
      'steps built',
      evidence([...lines(1, 'end@1'), ...lines(1, 'end@1', { requestId: 2, revision: 'b'.repeat(40) })]),
    ],
    [
      'two buildsets for one commit',
      'doubled:',
      evidence([...lines(1, 'begin@1 end@2'), ...lines(1, 'begin@5 end@6', { requestId: 2 })]),
    ],
    [
      'a repetition without a reason',
      'repeated:',
      evidence([...lines(1, 'begin@100 end@200'), ...lines(2, 'begin@300 end@400')]),
    ],
    [
      'a repetition of a build that had ended long before its runner was hit',
      'repeated:',
      evidence([...lines(1, 'begin@100 end@200'), ...lines(2, 'begin@9900 end@9990')], {
        disruptions: [kill(9000, 'runner')],
      }),
    ],
    [
      'a repetition for which only another worker was hit',
      'repeated:',
      evidence([...lines(1, 'begin@100', second), ...lines(2, 'begin@4000 end@4100')], { disruptions: [kill(300)] }),
    ],
    [
      'an attempt that began before the engine of the one before was killed',
      'overlap:',
      evidence([...lines(1, 'begin@100'), ...lines(2, 'begin@200 end@900', second)], { disruptions: [kill(300)] }),
    ],
    [
      'an attempt that began while the lease of the frozen engine stood',
      'overlap:',
      evidence([...lines(1, 'begin@100'), ...lines(2, 'begin@900 end@1300', second)], {
        disruptions: [freeze(200, 6000)],
      }),
    ],
    [
      'a thawed engine that goes on with what another one has taken over',
      'overlap:',
      evidence([...lines(1, 'begin@100 middle@6100'), ...lines(2, 'begin@3600 end@4100', second)], {
        disruptions: [freeze(200, 6000)],
      }),
    ],
    [
      'a rerun that comes late',
      'late:',
      evidence([...lines(1, 'begin@100'), ...lines(2, 'begin@14000 end@14100')], { disruptions: [kill(300)] }),
    ],
    [
      'a request that was built to its last step and never completed',
      'halted:',
      evidence(lines(1, 'begin@100 end@200'), { trouble: 'halted: the storm: nothing has moved for 25000 ms' }),
    ],
    ['a build that never ended', 'unfinished:', evidence(lines(1, 'begin@100 middle@200'))],
    [
      'a commit that waited for the bus to come back',
      'stalled:',
      evidence(lines(1, 'begin@20000 end@20100'), {
        commits: [{ revision: REVISION, pushedAtMs: 100, inOutage: true, builders: ['steps'] }],
      }),
    ],
    [
      'a log with a gap',
      'log:',
      evidence(lines(1, 'begin@1 end@2'), { logs: [{ requestId: 1, attempt: 1, lines: [1, 3], steps: [0, 1] }] }),
    ],
    [
      'a log with a doubled line',
      'log:',
      evidence(lines(1, 'begin@1 end@2'), { logs: [{ requestId: 1, attempt: 1, lines: [1, 2, 2, 3], steps: [0, 1] }] }),
    ],
    [
      'a log of a whole build that lacks its end',
      'log:',
      evidence(lines(1, 'begin@1 end@2'), { logs: [{ requestId: 1, attempt: 1, lines: [1, 2], steps: [0, 1] }] }),
    ],
    [
      'a build whose steps are not numbered one by one',
      'log:',
      evidence(lines(1, 'begin@1 end@2'), { logs: [{ requestId: 1, attempt: 1, lines: [1, 2, 3], steps: [0, 2] }] }),
    ],
    ['a process that did not come back', 'not alive', evidence(lines(1, 'begin@1 end@2'), { missing: ['ui: gone'] })],
  ])('notices %s', (_name, violation, seen) => {
    const { violations } = judge(seen);
    expect(violations).toHaveLength(1);
    expect(violations[0]).toMatch(new RegExp(`^${violation}`));
  });

  it('reads complete lines of a ledger only, and refuses malformed ones', () => {
    const line = `begin steps 4 7 2 local ${REVISION} 1700000000000`;
    expect(parseLedger(`${line}\nbegin ste`)).toEqual([
      {
        what: 'begin',
        builder: 'steps',
        number: 4,
        requestId: 7,
        attempt: 2,
        worker: 'local',
        revision: REVISION,
        atMs: 1700000000000,
      },
    ]);
    expect(() => parseLedger('begin steps 4\n')).toThrow("not a line of a ledger: 'begin steps 4'");
  });
});
