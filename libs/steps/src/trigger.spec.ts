import { describe, expect, it } from '@jest/globals';
import {
  compileConfig,
  ConfigError,
  type Step,
  type StepContext,
  triggerable,
  type TriggerRequest,
} from '@millrace/config';
import { NO_SOURCE, Result, type SourceStamp } from '@millrace/domain';
import { trigger } from './trigger.js';

const stamp = (codebase: string, revision: string | null = null): SourceStamp => ({ ...NO_SOURCE, codebase, revision });

function problemsOf(step: Step): string[] {
  try {
    compileConfig({
      workers: [{ name: 'w' }],
      builders: [
        { name: 'b', workers: ['w'], factory: [step] },
        { name: 'c', workers: ['w'], factory: [] },
      ],
      schedulers: [triggerable('s', { builders: ['c'] }), triggerable('self', { builders: ['c', 'b'] })],
    });
    return [];
  } catch (error) {
    if (error instanceof ConfigError)
      return error.problems.map(({ message }) => message.replaceAll('builders[0].factory[0]', 'STEP'));
    throw error;
  }
}

/** Runs the step in a build of two codebases. `results` are those of the buildsets. */
async function run(step: Step, results: readonly (Result | null)[] = [], cancelled = false) {
  const requests: TriggerRequest[] = [];
  const context = {
    render: async (value: unknown) => (typeof value === 'function' ? ((await value(context)) as unknown) : value),
    properties: { get: (name: string) => (name === 'got_revision' ? { app: 'f00' } : undefined) },
    sourceStamps: [stamp('app'), stamp('lib', 'old')],
    setState: () => undefined,
    trigger: (request: TriggerRequest) => {
      requests.push(request);
      const triggered = request.schedulers.map(({ name }, i) => ({
        ...{ scheduler: name, buildsetId: i, requestIds: [], results: results[i] ?? null },
      }));
      return Promise.resolve({ triggered, cancelled });
    },
  };
  return { outcome: await step.run(context as unknown as StepContext), requests };
}

describe('the options of a trigger', () => {
  it.each([
    ['one scheduler', trigger({ schedulers: ['s'] })],
    ['a choice', trigger({ schedulers: () => [{ scheduler: 'x', properties: { a: 1 }, unimportant: true }] })],
    [
      'everything',
      trigger({
        ...{ schedulers: ['s', { scheduler: 's', properties: { a: 1 } }], unimportant: ['s'], waitForFinish: true },
        ...{
          sourceStamps: [{ branch: 'main' }],
          setProperties: { a: '%(prop:b)s' },
          parentRelationship: 'by',
          priority: -1,
        },
      }),
    ],
    ['the latest', trigger({ schedulers: ['s'], alwaysUseLatest: true, updateSourceStamp: false })],
  ])('may be %s', (_what, step) => expect(problemsOf(step)).toEqual([]));

  it.each([
    ['no schedulers', {}, 'STEP.schedulers is missing; expected a list of schedulers, or a callback'],
    ['an empty list', { schedulers: [] }, 'STEP.schedulers is []'],
    ['no names', { schedulers: [1] }, 'STEP.schedulers is [1]'],
    ['an unimportant one that is not started', { schedulers: ['s'], unimportant: ['t'] }, 'STEP.unimportant[0] is "t"'],
    [
      'two kinds of source stamps',
      { schedulers: ['s'], alwaysUseLatest: true, sourceStamps: [] },
      'only one of sourceStamps, alwaysUseLatest and updateSourceStamp',
    ],
    ['half a priority', { schedulers: ['s'], priority: 0.5 }, 'STEP.priority is 0.5'],
    [
      'an unknown scheduler',
      { schedulers: ['s', 'selv'] },
      "STEP.schedulers has 'selv', but no scheduler has that name; did you mean 'self'?",
    ],
    [
      'its own builder',
      { schedulers: ['self'] },
      "STEP.schedulers makes builders start one another for ever: 'b' → 'b'",
    ],
  ])('must not be %s', (_what, options, message) => {
    expect(problemsOf(trigger(options as never))).toEqual([expect.stringContaining(message)]);
  });
});

describe('a trigger asks for', () => {
  it('its schedulers with this build’s source stamps, at the revisions that were checked out', async () => {
    const { requests, outcome } = await run(trigger({ schedulers: ['s', 't'], setProperties: { a: 1 } }));
    expect(requests).toEqual([
      {
        schedulers: [
          { name: 's', properties: { a: 1 } },
          { name: 't', properties: { a: 1 } },
        ],
        waitForFinish: false,
        sourceStamps: [stamp('app', 'f00'), stamp('lib', 'old')],
        relationship: 'Triggered from',
        priority: null,
      },
    ]);
    expect(outcome).toEqual({ result: Result.SUCCESS, stateString: 'triggered s, t' });
  });

  it.each([
    ['this build’s source stamps', { updateSourceStamp: false }, [stamp('app'), stamp('lib', 'old')]],
    ['the latest', { alwaysUseLatest: true }, []],
    ['given source stamps', { sourceStamps: () => [{ codebase: 'x' }] }, [stamp('x')]],
  ])('%s', async (_what, options, expected) => {
    const { requests } = await run(trigger({ schedulers: ['s'], ...options }));
    expect(requests[0]!.sourceStamps).toEqual(expected);
  });

  it('what a callback chooses, with properties of its own', async () => {
    const schedulers = () => ['s', { scheduler: 't', properties: { a: 2 } }];
    const { requests } = await run(trigger({ schedulers, setProperties: { a: 1, b: 1 } }));
    expect(requests[0]!.schedulers).toEqual([
      { name: 's', properties: { a: 1, b: 1 } },
      { name: 't', properties: { a: 2, b: 1 } },
    ]);
  });

  it('nothing, and is skipped, when nothing is chosen', async () => {
    const { requests, outcome } = await run(trigger({ schedulers: () => [] }));
    expect({ requests, outcome }).toEqual({ requests: [], outcome: { result: Result.SKIPPED } });
  });
});

describe('the result of a trigger that waits', () => {
  const { SUCCESS, WARNINGS, FAILURE, EXCEPTION, CANCELLED } = Result;
  it.each([
    [[SUCCESS, SUCCESS], [], SUCCESS, 'triggered s, t'],
    [[SUCCESS, WARNINGS], [], WARNINGS, 'triggered s, t (warnings)'],
    [[FAILURE, WARNINGS], [], FAILURE, 'triggered s (failure), t (warnings)'],
    [[FAILURE, WARNINGS], ['s'], WARNINGS, 'triggered s (failure), t (warnings)'],
    [[FAILURE, EXCEPTION], ['s', 't'], SUCCESS, 'triggered s (failure), t (exception)'],
    [[FAILURE, CANCELLED], [], CANCELLED, 'triggered s (failure), t (cancelled)'],
  ])('of %j with %j unimportant is %j', async (results, unimportant, result, stateString) => {
    const { outcome } = await run(trigger({ schedulers: ['s', 't'], unimportant, waitForFinish: true }), results);
    expect(outcome).toEqual({ result, stateString });
  });

  it('is cancelled when the build is stopped', async () => {
    const { outcome } = await run(trigger({ schedulers: ['s'], waitForFinish: true }), [], true);
    expect(outcome).toEqual({ result: CANCELLED, stateString: 'triggered s' });
  });

  it('does not depend on an unimportant scheduler of a choice', async () => {
    const schedulers = () => [{ scheduler: 's', unimportant: true }, 't'];
    const { outcome } = await run(trigger({ schedulers, waitForFinish: true }), [FAILURE, SUCCESS]);
    expect(outcome).toMatchObject({ result: SUCCESS });
  });
});
