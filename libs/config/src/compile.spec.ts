import { describe, expect, it } from '@jest/globals';
import type { CompiledBuilder, CompiledGitSource } from '@millrace/contracts';
import { compileConfig } from './compile.js';
import { lock, resources, workerLock } from './locks.js';
import { ConfigError } from './problems.js';
import { customStep, type DoBuildIf } from './step.js';
import { type FilterDefinition } from './schedulers/on-change/options.js';
import { anyBranch } from './schedulers/any-branch/index.js';
import { type FieldDefinition, fields, force } from './schedulers/force/options.js';
import { dependent } from './schedulers/dependent/index.js';
import { nightly, type NightlyOptions } from './schedulers/nightly/index.js';
import { periodic, type PeriodicOptions } from './schedulers/periodic/index.js';
import { singleBranch } from './schedulers/single-branch/index.js';
import { trigger } from './schedulers/trigger/index.js';
import { builder, defineConfig, gitPoller, type GitPollerOptions, type MasterConfig, worker } from './vocabulary.js';

const step = customStep('do', () => Promise.resolve(0));
const good = () => ({
  workers: [worker('w', { password: 'secret' })],
  builders: [builder('b', { workers: ['w'], factory: [step] })],
});

function problemsOf(config: unknown): string[] {
  try {
    compileConfig(config, { env: {} });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ message }) => message);
    throw error;
  }
  return [];
}

describe('compileConfig', () => {
  it('accepts a minimal configuration', () => {
    const { revision } = compileConfig(defineConfig(good()));
    expect(revision).toMatchObject({
      title: 'Millrace',
      url: null,
      builders: [{ name: 'b', builddir: 'b', steps: [{ kind: 'custom', name: 'do' }] }],
    });
  });

  it.each<[string, object[], string[]]>([
    ['none', [{}, { name: 'c' }], []],
    ['some', [{ formerNames: ['x', 'y'] }, { name: 'c', formerNames: ['z'] }], []],
    [
      'its own',
      [{ formerNames: ['b'] }],
      ['builders[0].formerNames[0] is "b"; expected another name than one of builders[0]'],
    ],
    [
      'the name of another builder',
      [{ formerNames: ['c'] }, { name: 'c' }],
      ['builders[0].formerNames[0] is "c"; expected another name than one of builders[1]'],
    ],
    [
      'one that another builder had',
      [{ formerNames: ['x'] }, { name: 'c', formerNames: ['x'] }],
      ['builders[1].formerNames[0] is "x"; expected another name than one of builders[0]'],
    ],
    [
      'one that is too long',
      [{ formerNames: ['x'.repeat(71)] }],
      [`builders[0].formerNames[0] is "${'x'.repeat(71)}"; expected a name of 1 to 70 characters`],
    ],
  ])('checks former names of builders: %s', (_what, list, messages) => {
    const config = {
      ...good(),
      builders: list.map((options, i) => ({
        ...{ name: 'b', workers: ['w'], factory: [step], builddir: `folder-${i}` },
        ...options,
      })),
    };
    expect(problemsOf(config)).toEqual(messages);
  });

  it.each([
    [undefined, undefined, true],
    [false, undefined, false],
    [false, true, true],
    [true, false, false],
  ])('collapses requests: %s for all builders and %s for this one mean %s', (all, own, expected) => {
    const collapse = (value: boolean | undefined) => (value === undefined ? {} : { collapseRequests: value });
    const config = { ...builders(collapse(own)), ...collapse(all) };
    expect(compileConfig(config).revision.builders).toMatchObject([{ collapseRequests: expected }]);
  });

  const collapses = (): boolean => true;
  it.each<[unknown, unknown, object]>([
    [collapses, undefined, { collapseRequests: true, collapseCallback: 'collapseRequests' }],
    [false, collapses, { collapseRequests: true, collapseCallback: 'builders.0.collapseRequests' }],
    [collapses, true, { collapseRequests: true }],
    [collapses, false, { collapseRequests: false }],
  ])('asks what is collapsed: %s for all builders and %s for this one mean %j', (all, own, expected) => {
    const config = { ...builders(own === undefined ? {} : { collapseRequests: own }), collapseRequests: all };
    const [{ collapseRequests, collapseCallback }] = compileConfig(config).revision.builders as [CompiledBuilder];
    expect({ collapseRequests, ...(collapseCallback && { collapseCallback }) }).toEqual(expected);
  });

  it('refuses to collapse by anything else', () => {
    expect(problemsOf(builders({ collapseRequests: 'newest' }))).toEqual([
      expect.stringContaining('builders[0].collapseRequests'),
    ]);
  });

  const builders = (options: object) => ({
    ...good(),
    builders: [{ name: 'b', workers: ['w'], factory: [step], ...options }],
  });
  const schedulers = (...list: unknown[]) => ({ ...good(), schedulers: list });
  const sources = (...list: object[]) => ({
    ...good(),
    changeSources: list.map((options) => ({ kind: 'git', repository: 'r', ...options })),
  });
  const workers = (options: object) => ({ ...good(), workers: [{ name: 'w', ...options }] });

  it('has those Git pollers record commits whose codebase is configured', () => {
    const { revision } = compileConfig({
      ...sources(
        { codebase: 'app', project: 'p' },
        { codebase: 'app', name: 'without a project' },
        { codebase: 'lib', project: 'p', name: 'of another' },
      ),
      projects: [{ name: 'p' }],
      codebases: [{ name: 'app', project: 'p' }],
    });
    expect(revision.codebases).toEqual([{ name: 'app', project: 'p', slug: 'app' }]);
    expect(revision.changeSources.map((source) => 'recordsCommits' in source)).toEqual([true, false, false]);
  });

  it.each<[string, unknown, string[]]>([
    ['nothing', null, ['the configuration is null; expected an object']],
    ['an unknown key', { ...good(), biulders: [] }, ["biulders is not a setting; did you mean 'builders'?"]],
    [
      'an address that is none',
      { ...good(), url: 'ci' },
      [`url is "ci"; expected an address such as 'https://ci.example.org/'`],
    ],
    [
      'a name used twice',
      { ...good(), projects: [{ name: 'p' }, { name: 'p' }] },
      ['projects[1].name is "p"; expected another name than that of projects[0]'],
    ],
    [
      'an empty password',
      workers({ password: '' }),
      ['workers[0].password is empty; give one, passwordEnv, or none of the two for tokens'],
    ],
    [
      'a template with a password',
      { ...good(), workers: [worker('w', { password: 'x' }), worker('linux-*', { password: 'x' })] },
      ["workers[1].name is 'linux-*', a template: its workers log in with tokens, so it takes no password"],
    ],
    [
      'an environment of other things than texts',
      workers({ password: 'x', env: { A: 1 } as never }),
      ['workers[0].env.A is 1; expected a string or null'],
    ],
    [
      'an unset password variable',
      workers({ passwordEnv: 'PW' }),
      ['workers[0].passwordEnv names PW, which is not set'],
    ],
    [
      'two passwords',
      workers({ password: 'hush', passwordEnv: 'PW' }),
      ['workers[0].passwordEnv is given beside password; keep one of the two'],
    ],
    [
      'a colon in a worker name',
      { ...good(), workers: [worker('w', { password: 'x' }), worker('a:b', { password: 'x' })] },
      [
        'workers[1].name is "a:b"; expected a name of 1 to 50 characters without colons, slashes, spaces and asterisks; a last one makes a template',
      ],
    ],
    [
      'a wrong number',
      workers({ password: 'x', maxBuilds: 0.5 }),
      ['workers[0].maxBuilds is 0.5; expected a whole number of at least 1'],
    ],
    ['a builder of no worker', builders({ workers: [] }), ['builders[0].workers is []; expected at least one worker']],
    [
      'a worker that is not there',
      builders({ workers: ['v'] }),
      ["builders[0].workers[0] is 'v', but no worker has that name; did you mean 'w'?"],
    ],
    [
      'a project that is not there',
      builders({ project: 'p' }),
      ["builders[0].project is 'p', but no project has that name"],
    ],
    ['no factory', builders({ factory: undefined }), ['builders[0].factory is missing; expected a list of steps']],
    [
      'a step that is none',
      builders({ factory: ['make'] }),
      ['builders[0].factory[0] is "make"; expected a step, such as shell({ … }) of @millrace/steps'],
    ],
    [
      'an unknown flag',
      builders({ factory: [{ ...step, flags: { haltOnFailrue: true } }] }),
      ["builders[0].factory[0].haltOnFailrue is not a setting; did you mean 'haltOnFailure'?"],
    ],
    [
      'a flag that is no boolean',
      builders({ factory: [{ ...step, flags: { alwaysRun: 1 } }] }),
      ['builders[0].factory[0].alwaysRun is 1; expected true or false'],
    ],
    [
      'a condition that is none',
      builders({ factory: [{ ...step, doStepIf: 'yes' }] }),
      ['builders[0].factory[0].doStepIf is "yes"; expected true, false or a callback'],
    ],
    [
      'a callback that is none',
      { ...builders({ nextWorker: 'w', doBuildIf: 'x' }), prioritizeBuilders: ['b'] },
      [
        'builders[0].nextWorker is "w"; expected a callback',
        'builders[0].doBuildIf is "x"; expected true, false or a callback',
        'prioritizeBuilders is ["b"]; expected a callback',
      ],
    ],
    ['no list of locks', builders({ locks: 'db' }), ['builders[0].locks is "db"; expected a list of locks']],
    [
      'a lock without access',
      builders({ locks: [lock('db')] }),
      ["builders[0].locks[0]: expected an entry such as lock('db').access('exclusive')"],
    ],
    [
      'a lock without units, or with spaces at the end of its name',
      builders({ locks: [lock('db', { maxCount: 0 }).access('exclusive'), lock('db ').access('exclusive')] }),
      [
        "builders[0].locks[0]: expected a lock of 1 to 10000 units; 'db' has 0 (maxCount)",
        'builders[0].locks[1]: expected a lock with a name of 1 to 190 characters, without spaces at its ends',
      ],
    ],
    [
      'a lock named like one of a builder, and no builds at all',
      builders({ maxBuilds: 0, locks: [lock('builder:b').access('exclusive')] }),
      [
        "builders[0].locks[0]: expected a lock whose name does not begin with 'builder:'",
        'builders[0].maxBuilds is 0; expected a whole number from 1 to 10000',
      ],
    ],
    [
      'more units than a lock has, and another mode',
      builders({ locks: [lock('db').access('counting', 2), lock('d').access('shared' as 'counting')] }),
      [
        "builders[0].locks[0]: expected 0 to 1 units of the lock 'db', not 2",
        "builders[0].locks[1]: expected 'exclusive' or 'counting' access to 'd', not 'shared'",
      ],
    ],
    [
      'more resources than there are, and the same twice',
      builders({ locks: [resources('r', ['a']).take(2), resources('s', ['a', 'a']).take()] }),
      [
        "builders[0].locks[0]: expected 1 to 1 of the resources 'r', not 2",
        "builders[0].locks[1]: expected resources with different names; those of 's' are not",
      ],
    ],
    [
      'one lock in two ways',
      {
        ...builders({ locks: [lock('db').access('exclusive')] }),
        workers: [worker('w', { password: 'x', locks: [workerLock('db').access('exclusive')] })],
      },
      ["builders[0].locks[0]: expected the same lock wherever 'db' is used; it is defined in two ways"],
    ],
    [
      'a lock of a step that its builder has',
      builders({
        locks: [lock('db').access('exclusive')],
        factory: [customStep('do', () => 0, { locks: [lock('db').access('exclusive')] })],
      }),
      [
        "builders[0].factory[0].locks: 'db' is a lock of the builder, which has it from the beginning of the build to its end",
      ],
    ],
    [
      'a folder that leaves the base',
      builders({ builddir: '../x' }),
      [`builders[0].builddir is "../x"; expected a folder name without '..'`],
    ],
    [
      'a property that is no JSON',
      builders({ properties: { p: () => 1 } }),
      ['builders[0].properties.p is a function; expected a value that JSON can hold'],
    ],
    [
      'a secret in an environment',
      builders({ env: { A: '%(secret:key)s' } }),
      [expect.stringMatching(/^builders\[0\]\.env: '%\(secret:key\)s' cannot be filled in/) as unknown as string],
    ],
    [
      'a wrong environment',
      builders({ env: { A: 1 } }),
      ['builders[0].env.A is 1; expected a string, null, a template or a callback'],
    ],
    [
      'an unknown scheduler kind',
      schedulers({ kind: 'forc', name: 'f', builders: ['b'] }),
      [
        `schedulers[0].kind is "forc"; expected one of 'any-branch', 'single-branch', 'periodic', 'nightly', 'nightly-triggerable', 'dependent', 'force', 'trigger' (did you mean 'force'?)`,
      ],
    ],
    [
      'a builder that is not there',
      schedulers(trigger('t', { builders: ['bb'] })),
      ["schedulers[0].builders[0] is 'bb', but no builder has that name; did you mean 'b'?"],
    ],
    [
      'a branch missing',
      schedulers({ kind: 'single-branch', name: 's', builders: ['b'] }),
      ['schedulers[0].branch is missing; expected the name of a branch, or null for the default branch'],
    ],
    [
      'a branch twice',
      schedulers(singleBranch('s', { builders: ['b'], branch: 'x', filter: { branch: 'y' } })),
      ['schedulers[0].branch is given beside filter.branch'],
    ],
    [
      'a branch for any branch',
      schedulers({ ...anyBranch('s', { builders: ['b'] }), branch: 'x' }),
      [
        'schedulers[0].branch is not a setting; known are kind, builders, priority, name, reason, properties, treeStableSeconds, filter, isImportant, onlyImportant, codebases, createAbsoluteSourceStamps',
      ],
    ],
    [
      'a filter of a wrong condition',
      schedulers(anyBranch('s', { builders: ['b'], filter: { branch: { no: 'x' } as object } })),
      [
        "schedulers[0].filter.branch.no is not a setting; did you mean 'not'?",
        'schedulers[0].filter.branch is {"no":"x"}; expected `is`, `not` or both',
      ],
    ],
    [
      'times that do not exist',
      schedulers(nightly('n', { builders: ['b'], dayOfMonth: 31, month: 2, timeZone: 'Mars' })),
      ['schedulers[0].timeZone is "Mars"; expected the name of a time zone such as \'Europe/Berlin\''],
    ],
    [
      'a wrong time',
      schedulers(nightly('n', { builders: ['b'], cron: '0 0 31 2 *', hour: 3 })),
      [
        'schedulers[0].cron is "0 0 31 2 *"; expected cron or hour, not both',
        "schedulers[0].cron: '0 0 31 2 *' are no times: there is no such time",
      ],
    ],
    [
      'an upstream that does not exist',
      schedulers(trigger('first', { builders: ['b'] }), dependent('s', { builders: ['b'], upstream: 'frist' })),
      ["schedulers[1].upstream is 'frist', but no scheduler has that name; did you mean 'first'?"],
    ],
    [
      'schedulers that wait for each other',
      schedulers(
        dependent('x', { builders: ['b'], upstream: 'a' }),
        dependent('a', { builders: ['b'], upstream: 'c' }),
        dependent('c', { builders: ['b'], upstream: 'a' }),
      ),
      ["schedulers[1].upstream is 'c', so the scheduler waits for itself: 'a' → 'c' → 'a'"],
    ],
    [
      'a scheduler that waits for itself',
      schedulers(dependent('a', { builders: ['b'], upstream: 'a' })),
      ["schedulers[0].upstream is 'a', so the scheduler waits for itself: 'a' → 'a'"],
    ],
    [
      'last revisions without codebases',
      schedulers(anyBranch('s', { builders: ['b'], createAbsoluteSourceStamps: true })),
      [
        'schedulers[0].createAbsoluteSourceStamps is true; expected codebases beside it: they are what the last revisions are known of',
      ],
    ],
    [
      'wrong codebases',
      schedulers(
        anyBranch('s', {
          builders: ['b'],
          codebases: { app: { repository: 'https://u:p@h/', brunch: 'x' } as object },
        }),
      ),
      [
        "schedulers[0].codebases['app'].repository holds a user name or password; expected an address without it",
        "schedulers[0].codebases['app'].brunch is not a setting; did you mean 'branch'?",
      ],
    ],
    [
      'a codebase twice',
      schedulers(anyBranch('s', { builders: ['b'], codebases: ['a', 'a'] })),
      ['schedulers[0].codebases is ["a","a"]; expected each codebase once'],
    ],
    [
      'a callback where a person says the priority',
      schedulers(force('f', { builders: ['b'], priority: () => 1 })),
      ['schedulers[0].priority is a function; expected a whole number from -1000000 to 1000000'],
    ],
    [
      'no period',
      schedulers(periodic('p', { builders: ['b'] } as unknown as PeriodicOptions)),
      ['schedulers[0].everySeconds is missing; expected a whole number of seconds'],
    ],
    [
      'a wrong filter',
      schedulers(anyBranch('s', { builders: ['b'], filter: { branch: 3 as unknown as string } })),
      ['schedulers[0].filter.branch is 3; expected a string, a list of strings, an expression or a callback'],
    ],
    [
      'a callback that is none',
      schedulers({ ...anyBranch('s', { builders: ['b'] }), isImportant: true }),
      ['schedulers[0].isImportant is true; expected a callback that gets the change'],
    ],
    [
      'a field used twice',
      schedulers(force('f', { builders: ['b'], fields: [fields.int('n'), fields.bool('n')] })),
      ['schedulers[0].fields[1].name is "n"; expected a name that the form does not have yet'],
    ],
    [
      'a default that is no choice',
      schedulers(force('f', { builders: ['b'], fields: [fields.choice('c', { choices: ['a'], default: 'b' })] })),
      ['schedulers[0].fields[0].default is "b"; expected one of the choices'],
    ],
    [
      'an expression that is none',
      schedulers(force('f', { builders: ['b'], fields: [fields.text('t', { regex: '(' })] })),
      ['schedulers[0].fields[0].regex is "("; expected a regular expression'],
    ],
    [
      'an expression with flags, which would be lost',
      schedulers(force('f', { builders: ['b'], fields: [fields.text('t', { regex: /v\d+/i })] })),
      ['schedulers[0].fields[0].regex is /v\\d+/i; expected an expression without flags'],
    ],
    [
      'a field named like one of the codebase',
      schedulers(
        force('f', { builders: ['b'], fields: [fields.text('branch')] }),
        force('g', {
          builders: ['b'],
          codebases: [{ codebase: 'app', patch: { maxsize: 1_000_000, size: 3 } as object }],
          fields: [fields.text('branch'), fields.text('app_branch'), fields.text('app_patch_body')],
        }),
      ),
      [
        'schedulers[0].fields[0].name is "branch"; expected a name that the form does not have yet',
        'schedulers[1].codebases[0].patch.maxsize is 1000000; expected a whole number from 1 to 500000',
        'schedulers[1].codebases[0].patch.size is not a setting; known are label, required, maxsize',
        'schedulers[1].fields[1].name is "app_branch"; expected a name that the form does not have yet',
        'schedulers[1].fields[2].name is "app_patch_body"; expected a name that the form does not have yet',
      ],
    ],
    [
      'fields of groups',
      schedulers(
        force('f', {
          builders: ['b'],
          username: 7 as never,
          fields: [
            fields.group('a', { columns: 5, fields: [fields.int('n', { min: 2, max: 1 })] }),
            fields.group('', { layout: 'grid' as never, fields: [fields.text('a_n'), fields.bool('a')] }),
            fields.choice('c', { choices: ['x'], autopopulate: { y: { a_n: 1 } } }),
            fields.file('no name'),
          ],
        }),
      ),
      [
        'schedulers[0].fields[0].columns is 5; expected a whole number from 1 to 4',
        'schedulers[0].fields[0].fields[0].max is 1; expected at least 2',
        "schedulers[0].fields[1].layout is \"grid\"; expected one of 'simple', 'vertical', 'tabs'",
        'schedulers[0].fields[2].autopopulate is "y"; expected one of the choices',
        'schedulers[0].fields[3].name is "no name"; expected a name of letters, digits, dots, dashes and underscores',
        'schedulers[0].fields[1].fields[0].name is "a_n"; expected a name that the form does not have yet',
        'schedulers[0].fields[1].fields[1].name is "a"; expected a name that the form does not have yet',
        'schedulers[0].username is 7; expected the options of the field, or its value',
      ],
    ],
    [
      'groups that are too deep',
      schedulers(
        force('f', {
          builders: ['b'],
          fields: [
            ['6', '5', '4', '3', '2', '1'].reduce<FieldDefinition>(
              (inner, depth) => fields.group(`g${depth}`, { fields: [inner] }),
              fields.text('t'),
            ),
          ],
        }),
      ),
      [`schedulers[0]${'.fields[0]'.repeat(6)}.fields is [{"type":"text","name":"t"}]; expected groups at most 5 deep`],
    ],
    [
      'one codebase twice, and too many',
      schedulers(
        force('f', { builders: ['b'], codebases: [{ codebase: 'a' }, {}, { codebase: 'a' }, {}] }),
        force('g', { builders: ['b'], codebases: Array.from({ length: 51 }, (_, i) => ({ codebase: `c${i}` })) }),
        force('h', { builders: ['b'], codebases: [{ codebase: 'x'.repeat(191) }] }),
      ),
      [
        'schedulers[0].codebases[2].codebase is "a"; expected another name than those before it',
        'schedulers[0].codebases[3].codebase is ""; expected another name than those before it',
        `schedulers[1].codebases is [{"codebase":"c0"},{"codebase":"c1"},{"codebase":"c2"},{"codebase":"c3"},{"co...; expected at most 50 codebases`,
        `schedulers[2].codebases[0].codebase is "${'x'.repeat(76)}...; expected a string of at most 190 characters`,
      ],
    ],
    [
      'numbers that nothing can hold',
      {
        ...schedulers(
          trigger('t', { builders: ['b'], priority: 1e300 }),
          anyBranch('a', { builders: ['b'], treeStableSeconds: 1e9 }),
        ),
        ...sources({ pollIntervalSeconds: 1e9 }, { repository: 's', category: 'c'.repeat(191) }),
      },
      [
        'schedulers[0].priority is 1e+300; expected a whole number from -1000000 to 1000000',
        'schedulers[1].treeStableSeconds is 1000000000; expected a number from 0 to 1000000',
        'changeSources[0].pollIntervalSeconds is 1000000000; expected a number from 0.1 to 1000000',
        `changeSources[1].category is "${'c'.repeat(76)}...; expected a string of at most 190 characters`,
      ],
    ],
    [
      'codebases that are not there, or twice',
      {
        ...sources({ codebase: 'app', project: 'p' }),
        projects: [{ name: 'p' }],
        codebases: [
          { name: 'app', project: 'p' },
          { name: 'app', project: 'p' },
          { name: 'lib', project: 'p' },
          { name: '1', project: 'other' },
        ],
      },
      [
        `codebases[3].name is "1"; expected a name of 1 to 190 letters, digits and _.-, of which the first is no digit`,
        `codebases[3].project is 'other', but no project has that name`,
        `codebases[1].name is "app"; expected a name that is used once in a project`,
        `codebases[2].name is "lib"; expected the codebase of a Git poller or a hook with the project 'p'`,
        `codebases[3].name is "1"; expected the codebase of a Git poller or a hook with the project 'other'`,
      ],
    ],
    [
      'a repository whose address is too long for a name',
      sources({ repository: 'r'.repeat(181) }),
      [
        'changeSources[0].name is missing; expected a name of 1 to 180 characters (the repository, where none is given)',
      ],
    ],
    [
      'secrets in addresses, which are not repeated',
      {
        ...sources(
          { repository: 'https://user:hunter2@h/x' },
          { repository: 'https://h/x', name: 'http://u:hunter2@h' },
        ),
        schedulers: [
          force('f', { builders: ['b'], codebases: [{ repository: 'https://hunter2@h/x' }] }),
          force('g', {
            builders: ['b'],
            codebases: [
              { repository: fields.choice('repository', { choices: ['https://h/x', 'https://h/?token=hunter2'] }) },
            ],
          }),
        ],
      },
      [
        'schedulers[0].codebases[0].repository holds a user name or password; expected an address without it; give credentials to the git step',
        "schedulers[1].codebases[0].repository holds the parameter 'token'; expected an address without it; give credentials to the git step",
        'changeSources[0].repository holds a user name or password; expected an address without it, and credentials: { username, passwordEnv }',
        'changeSources[1].name holds a secret, and everybody sees it',
      ],
    ],
    [
      'credentials that do not fit',
      sources(
        { repository: '/srv/git', credentials: { password: 'hunter2' } },
        { repository: 'https://h/x', name: 'b', credentials: { username: 'u' } },
      ),
      [
        "changeSources[0].credentials do not fit; expected credentials for where the repository '/srv/git' is, over http or https",
        'changeSources[1].credentials are incomplete or have another key; expected { url?, username?, passwordEnv } or { url?, username?, password }',
      ],
    ],
    [
      'credentials whose variable is not set',
      sources({ repository: 'https://h/x', credentials: { passwordEnv: 'NOT_SET_HERE' } }),
      ['changeSources[0].credentials.passwordEnv names NOT_SET_HERE, which is not set'],
    ],
    [
      'two pollers of a repository without names, and branches beside onlyTags',
      sources(
        { repository: 'https://h/x' },
        { repository: 'https://h/x', onlyTags: true, branches: ['main'], tags: false },
        { repository: 'https://h/x', name: 'tags', onlyTags: true, tags: [''] },
      ),
      [
        'changeSources[1].branches is ["main"]; expected no branches beside onlyTags',
        'changeSources[1].tags is false; expected which tags are watched, or nothing beside onlyTags',
        'changeSources[2].tags[0] is ""; expected a non-empty string',
        'changeSources[1].name is missing; expected another name than that of changeSources[0]',
      ],
    ],
    [
      'keys that nobody can use',
      sources(
        { repository: 'ssh://h/x', name: 'a', sshPrivateKeyEnv: 'NOT_SET_HERE' },
        { repository: 'ssh://h/x', name: 'b', sshPrivateKey: 'hunter2', sshPrivateKeyFile: '/hunter2' },
        { repository: 'ssh://h/x', name: 'c', sshHostKey: 'ssh-ed25519 AAAA' },
        { repository: 'ssh://h/x', name: 'd', sshPrivateKey: 'hunter2', credentials: { password: 'hunter2' } },
      ),
      [
        'changeSources[0].sshPrivateKeyEnv names NOT_SET_HERE, which is not set',
        'changeSources[1].sshPrivateKey: expected one of sshPrivateKey, sshPrivateKeyEnv, sshPrivateKeyFile',
        'changeSources[2].sshHostKey: expected sshPrivateKeyEnv beside it',
        "changeSources[3].credentials do not fit; expected credentials for where the repository 'ssh://h/x' is, over http or https",
        'changeSources[3].sshPrivateKey: expected credentials or an SSH key, not both',
      ],
    ],
    [
      'a poll that never rests',
      sources({ pollIntervalSeconds: 0 }),
      ['changeSources[0].pollIntervalSeconds is 0; expected a number from 0.1 to 1000000'],
    ],
    [
      'wrong branches',
      sources({ branches: 'main' }),
      [`changeSources[0].branches is "main"; expected true, a list of names, an expression or a callback`],
    ],
    [
      'three at once',
      { ...good(), title: '', url: 3, more: 1 },
      [
        'title is ""; expected a non-empty string',
        "url is 3; expected an address such as 'https://ci.example.org/'",
        'more is not a setting; known are projects, workers, locks, builders, collapseRequests, schedulers, services, removedBuilders, changeSources, codebases, hooks, www, prioritizeBuilders, title, url',
      ],
    ],
  ])('reports %s', (_what, config, messages) => {
    expect(problemsOf(config)).toEqual(messages);
  });

  it('names the file and line where the object with the problem was made', () => {
    const config = { ...good(), workers: [worker('w', { password: 'x', maxBuilds: 0 })] };
    const error = ((): unknown => {
      try {
        return compileConfig(config);
      } catch (thrown) {
        return thrown;
      }
    })();
    const problem = (error as ConfigError).problems[0]!;
    expect(problem.file).toMatch(/compile\.spec\.ts$/);
    expect(problem.line).toBeGreaterThan(1);
  });

  it('accepts workers without a password, but then no login with an empty one', () => {
    const { revision, workerDigests } = compileConfig({ ...good(), workers: [worker('w'), worker('linux-*')] });
    expect(
      revision.workers.map(({ name, hasPassword, missingTimeoutMs }) => [name, hasPassword, missingTimeoutMs]),
    ).toEqual([
      ['w', false, 3_600_000],
      ['linux-*', false, 3_600_000],
    ]);
    expect(workerDigests).toEqual({});
  });

  it('keeps passwords, and everything made of them, out of the revision, problems and fingerprints', () => {
    const of = (password: string) => compileConfig({ ...good(), workers: [worker('w', { password })] });
    expect(of('secret').revision).toEqual(of('another').revision);
    expect(of('secret').fingerprint).toBe(of('another').fingerprint);
    expect(of('secret').revision.workers[0]).toMatchObject({ hasPassword: true });
    expect(JSON.stringify(problemsOf(workers({ password: 'hush', passwordEnv: 'PW' })))).not.toContain('hush');
  });

  it('lists the variables that masters and steps need, and works without those of masters', () => {
    const step = { ...customStep('do', () => Promise.resolve(0)), variables: ['STEP_TOKEN'] };
    const config = {
      workers: [worker('w', { passwordEnv: 'WORKER_PW' })],
      builders: [builder('b', { workers: ['w'], factory: [step] })],
      changeSources: [gitPoller({ repository: 'https://h/x', credentials: { passwordEnv: 'POLLER_TOKEN' } })],
    };
    const whole = compileConfig(config, { env: { WORKER_PW: 'x', POLLER_TOKEN: 'y' } });
    expect(whole.variables).toEqual({ masters: ['WORKER_PW', 'POLLER_TOKEN'], steps: ['STEP_TOKEN'] });
    expect(() => compileConfig(config, { env: {} })).toThrow(/WORKER_PW, which is not set/);
    expect(compileConfig(config, { env: {}, withoutPasswords: true }).fingerprint).toBe(whole.fingerprint);
  });

  it('keeps credentials of change sources out of the revision', () => {
    const { revision, gitAccesses } = compileConfig(
      sources({ repository: 'https://h/team/x', name: 'r', credentials: { username: 'ci', password: 'hunter2' } }),
    );
    const bound = { username: 'ci', password: 'hunter2', scope: 'https://h' };
    expect([...gitAccesses]).toEqual([['r', { kind: 'password', bound }]]);
    expect(JSON.stringify(revision)).not.toContain('hunter2');
  });

  it('keeps keys of change sources out of the revision', () => {
    const { revision, gitAccesses } = compileConfig(
      sources(
        { repository: 'ssh://h/x', name: 'r', sshPrivateKey: 'hunter2', sshHostKey: 'ssh-ed25519 AAAA' },
        { repository: 'git@h:x', name: 's', sshPrivateKeyFile: '/keys/s' },
      ),
    );
    expect(Object.fromEntries(gitAccesses)).toEqual({
      r: { kind: 'ssh-key', privateKey: 'hunter2', knownHosts: '* ssh-ed25519 AAAA' },
      s: { kind: 'ssh-key', privateKey: { file: '/keys/s' }, knownHosts: null },
    });
    expect(JSON.stringify(revision)).not.toContain('hunter2');
  });

  it.each<[string, Partial<GitPollerOptions>, object, string[]]>([
    ['nothing', {}, { branches: 'all' }, []],
    ['every branch and tag', { branches: true, tags: true }, { branches: 'all', tags: 'all' }, []],
    ['names', { branches: ['main'], tags: ['v1'] }, { branches: ['main'], tags: ['v1'] }, []],
    ['tags alone', { onlyTags: true }, { branches: [], tags: 'all' }, []],
    [
      'an expression, and a callback',
      { branches: /^rel/g, tags: (name) => name === 'v1' },
      { branches: { pattern: '^rel', flags: '' }, tags: { handle: 'changeSources.0.tags' } },
      [],
    ],
    [
      'an expression that does not take linear time',
      { branches: /^(?!main$)/g },
      { branches: { handle: 'changeSources.0.branches' } },
      ['changeSources[0].branches'],
    ],
  ])('reads which branches and tags are watched: %s', (_what, options, expected, noted) => {
    const { revision, callbacks, notes } = compileConfig(sources({ repository: 'https://h/x', ...options }));
    const { branches, tags } = revision.changeSources[0] as CompiledGitSource;
    expect({ branches, ...(tags && { tags }) }).toEqual(expected);
    expect(notes.map(({ path }) => path)).toEqual(noted);
    const chosen = callbacks.get('changeSources.0.branches');
    if (chosen) expect(['main', 'x', 'x'].map((name) => chosen(name))).toEqual([false, true, true]);
  });

  it("returns the digests for workers' challenges beside the revision, which contains none of them", () => {
    const { revision, workerDigests } = compileConfig({ ...good(), workers: [worker('w', { password: 's3cr3t-pb' })] });
    expect(workerDigests).toEqual({ w: '4eeeb1398d8d892f56143a41187a1cbc' });
    expect(JSON.stringify(revision)).not.toContain(workerDigests['w']);
  });

  const of = (codebase: string) => gitPoller({ repository: 'https://h/r', codebase });
  it.each<[string, Partial<MasterConfig>, string[]]>([
    ['a scheduler that takes what it is told', { schedulers: [trigger('t', { builders: ['b'] })] }, []],
    ['no scheduler', {}, []],
    ['a poller of it', { schedulers: [anyBranch('s', { builders: ['b'] })], changeSources: [of('lib')] }, []],
    [
      'a form that asks for it',
      { schedulers: [force('f', { builders: ['b'], codebases: [{ codebase: 'lib' }] })] },
      [],
    ],
    [
      'neither',
      {
        schedulers: [anyBranch('s', { builders: ['b'] }), force('f', { builders: ['b'] })],
        changeSources: [of('app')],
      },
      [
        "builders[0].factory[1].codebase is 'lib', but no scheduler of this builder makes source stamps of it (of 'app', ''): only a trigger can",
      ],
    ],
  ])('notes steps of a codebase that nobody supplies: %s', (_what, rest, expected) => {
    const ofLib = { ...step, codebase: 'lib' };
    const { notes } = compileConfig({
      ...good(),
      builders: [builder('b', { workers: ['w'], factory: [step, ofLib] })],
      ...rest,
    });
    expect(notes.map(({ message }) => message)).toEqual(expected);
  });

  it.each<[string, RegExp, boolean]>([
    ['in linear time', /^(a+)+$/, true],
    ['with flags', /^MAIN$/i, true],
    ['with lookahead', /^(?!main$)/g, false],
    ['with a reference', /(a)\1/, false],
  ])('runs an expression %s where it does no harm', (_what, branch, isData) => {
    const { revision, callbacks, notes } = compileConfig(
      schedulers(anyBranch('s', { builders: ['b'], filter: { branch } })),
    );
    const handle = 'schedulers.0.filter.branch';
    const { source, flags } = branch;
    expect(revision.schedulers[0]).toMatchObject({
      filter: { branch: isData ? { kind: 'regex', source, flags } : { kind: 'callback', handle, timeoutMs: 2_000 } },
    });
    expect(notes.map(({ path }) => path)).toEqual(isData ? [] : ['schedulers[0].filter.branch']);
    for (const text of ['main', 'aa', 'x', 'main', null])
      if (!isData) expect(callbacks.get(handle)!(text)).toBe(text !== null && new RegExp(source).test(text));
  });

  it.each<[string, FilterDefinition, object]>([
    ['what it has to be', { branch: { is: ['a', null] } }, { branch: { kind: 'values', values: ['a', null] } }],
    ['what it must not be', { codebase: { not: 'x' } }, { codebase: { kind: 'values', values: ['x'], negated: true } }],
    [
      'an expression that must not match',
      { category: { not: /^docs/ } },
      { category: { kind: 'regex', source: '^docs', flags: '', negated: true } },
    ],
    [
      'both',
      { branch: { is: /^r/, not: 'r1' } },
      {
        branch: {
          kind: 'all',
          of: [
            { kind: 'regex', source: '^r', flags: '' },
            { kind: 'values', values: ['r1'], negated: true },
          ],
        },
      },
    ],
    ['a property', { 'properties.number': [7, 8] }, { 'properties.number': { kind: 'values', values: [7, 8] } }],
  ])("compiles a filter's condition: %s", (_what, filter, expected) => {
    const { revision } = compileConfig(schedulers(anyBranch('s', { builders: ['b'], filter })));
    expect(revision.schedulers[0]).toMatchObject({ filter: expected });
  });

  it('turns the answer of a callback around that must not agree', async () => {
    const filter: FilterDefinition = { branch: { not: (branch) => branch === 'main' } };
    const { callbacks } = compileConfig(schedulers(anyBranch('s', { builders: ['b'], filter })));
    const callback = callbacks.get('schedulers.0.filter.branch.not')!;
    expect([await callback('main'), await callback('dev')]).toEqual([false, true]);
  });

  it('changes the fingerprint with an expression that runs as a callback', () => {
    const of = (branch: RegExp) =>
      compileConfig(schedulers(anyBranch('s', { builders: ['b'], filter: { branch } }))).fingerprint;
    expect(of(/(?!a)/)).toBe(of(/(?!a)/));
    expect(of(/(?!a)/)).not.toBe(of(/(?!b)/));
  });

  it.each<[string, NightlyOptions, object]>([
    ['the defaults of Buildbot', { builders: ['b'] }, { pattern: '0 * * * *', timeZone: 'UTC' }],
    ['numbers and lists', { builders: ['b'], hour: 3, minute: [0, 30] }, { pattern: '0,30 3 * * *' }],
    ['days from Monday', { builders: ['b'], hour: 3, dayOfWeek: [0, 6] }, { pattern: '0 3 * * 1,0' }],
    ['days as cron counts them in an expression', { builders: ['b'], dayOfWeek: '1-5' }, { pattern: '0 * * * 1-5' }],
    ['the last Friday of a month', { builders: ['b'], dayOfWeek: 'L5' }, { pattern: '0 * * * 5#L' }],
    [
      'an expression in a time zone',
      { builders: ['b'], cron: '30 2 * * MON', timeZone: 'Europe/Berlin' },
      { pattern: '30 2 * * MON', timeZone: 'Europe/Berlin' },
    ],
  ])('reads the times of a nightly: %s', (_what, options, slots) => {
    const { revision } = compileConfig(schedulers(nightly('n', options)));
    expect(revision.schedulers[0]).toMatchObject({ slots, forceAt: null, missed: 'run-once' });
  });

  it('reads the times that a nightly is forced at, and its codebases', () => {
    const codebases = { app: { branch: 'main' }, lib: {} };
    const forceAt = { hour: 3, dayOfWeek: 6 };
    const { revision } = compileConfig(schedulers(nightly('n', { builders: ['b'], hour: 3, forceAt, codebases })));
    expect(revision.schedulers[0]).toMatchObject({
      forceAt: { pattern: '0 3 * * 0' },
      codebases: [
        { codebase: 'app', branch: 'main', revision: null, repository: '', project: '' },
        { codebase: 'lib', branch: null },
      ],
    });
  });

  it('keeps callbacks that choose builders and priority', () => {
    const options = { builders: () => ['b'], priority: () => 3 };
    const { revision, callbacks } = compileConfig(schedulers(anyBranch('s', options)));
    expect(revision.schedulers[0]).toMatchObject({
      builders: ['b'],
      priority: 0,
      choosing: { builders: 'schedulers.0.builders', priority: 'schedulers.0.priority' },
    });
    expect(callbacks.get('schedulers.0.priority')!()).toBe(3);
  });

  it("refuses a form's expression that does not take linear time", () => {
    const config = schedulers(force('f', { builders: ['b'], fields: [fields.text('t', { regex: /^(?!x)/ })] }));
    expect(problemsOf(config)).toEqual([
      expect.stringMatching(
        /fields\[0\].regex: .*cannot be run in linear time.*; expected an expression without lookaround/,
      ),
    ]);
  });

  it('gives callbacks handles and keeps them callable', () => {
    const { revision, callbacks } = compileConfig({
      ...good(),
      schedulers: [anyBranch('s', { builders: ['b'], filter: { category: () => true }, isImportant: () => false })],
      changeSources: [gitPoller({ repository: 'r', branches: (name) => name === 'x' })],
    });
    expect([...callbacks.keys()]).toEqual([
      'schedulers.0.filter.category',
      'schedulers.0.isImportant',
      'changeSources.0.branches',
    ]);
    expect(revision.changeSources[0]!.branches).toEqual({ handle: 'changeSources.0.branches' });
    expect(callbacks.get('changeSources.0.branches')!('x')).toBe(true);
  });
});

describe('locks', () => {
  const db = lock('db', { maxCount: 3 });
  const disk = workerLock('disk', { maxCountForWorker: { w: 2 } });
  const boards = resources('boards', ['b1', 'b2']);
  const config = (mode: 'exclusive' | 'counting') => ({
    workers: [worker('w', { password: 'secret', locks: [disk.access('counting')] })],
    builders: [
      builder('b', {
        workers: ['w'],
        locks: [db.access(mode), boards.take(1, { property: 'board' })],
        factory: [customStep('do', () => 0, { locks: [lock('net').access('exclusive')] })],
      }),
    ],
  });

  it('are gathered from wherever they are used', () => {
    const { revision } = compileConfig(config('counting'));
    const one = { maxCountForWorker: {}, resources: [] };
    expect(revision.locks).toEqual([
      { ...one, name: 'boards', kind: 'resources', maxCount: 2, resources: ['b1', 'b2'] },
      { ...one, name: 'db', kind: 'lock', maxCount: 3 },
      { ...one, name: 'disk', kind: 'worker-lock', maxCount: 1, maxCountForWorker: { w: 2 } },
      { ...one, name: 'net', kind: 'lock', maxCount: 1 },
    ]);
    expect(revision.workers[0]!.locks).toEqual([{ lock: 'disk', mode: 'counting', count: 1, property: null }]);
    expect(revision.builders[0]!.locks).toEqual([
      { lock: 'db', mode: 'counting', count: 1, property: null },
      { lock: 'boards', mode: 'counting', count: 1, property: 'board' },
    ]);
  });

  it('count for the fingerprint of the builder', () => {
    const fingerprintOf = (mode: 'exclusive' | 'counting') => compileConfig(config(mode)).builderFingerprints.b;
    expect(fingerprintOf('counting')).toBe(fingerprintOf('counting'));
    expect(fingerprintOf('counting')).not.toBe(fingerprintOf('exclusive'));
  });

  it('limit the builds of a builder, which does not count for its fingerprint', () => {
    const limited = (maxBuilds?: number) =>
      compileConfig({
        ...good(),
        builders: [builder('b', { workers: ['w'], maxBuilds, factory: [step] })],
      });
    const { revision, builderFingerprints } = limited(2);
    expect(revision.locks).toMatchObject([{ name: 'builder:b', kind: 'lock', maxCount: 2 }]);
    expect(revision.builders[0]!.locks).toEqual([{ lock: 'builder:b', mode: 'counting', count: 1, property: null }]);
    expect(builderFingerprints).toEqual(limited().builderFingerprints);
  });

  it('are missing where nothing uses any', () => {
    expect(Object.keys(compileConfig(good()).revision)).not.toContain('locks');
  });
});

describe('fingerprints', () => {
  const config = (options: { maxBuilds?: number; run?: () => Promise<0> }) => ({
    ...good(),
    workers: [worker('w', { password: 'secret', maxBuilds: options.maxBuilds })],
    builders: [
      builder('b', { workers: ['w'], factory: [customStep('do', options.run ?? (() => Promise.resolve(0)))] }),
    ],
  });
  const base = compileConfig(config({}));

  it('are the same for the same configuration', () => {
    expect(compileConfig(config({})).fingerprint).toBe(base.fingerprint);
  });

  it('change with the condition of a builder', () => {
    const conditional = (doBuildIf?: DoBuildIf) =>
      compileConfig({ ...good(), builders: [builder('b', { workers: ['w'], doBuildIf, factory: [step] })] })
        .builderFingerprints.b;
    const all = [conditional(), conditional(false), conditional(() => true), conditional(() => false)];
    expect(new Set(all).size).toBe(4);
  });

  it('change with the text of a callback, that of its builder too', () => {
    const other = compileConfig(config({ run: async () => await Promise.resolve(0) }));
    expect(other.fingerprint).not.toBe(base.fingerprint);
    expect(other.builderFingerprints.b).not.toBe(base.builderFingerprints.b);
  });

  it.each([{ maxBuilds: 2 }])("change with %j, but not the builder's fingerprint", (options) => {
    const other = compileConfig(config(options));
    expect(other.fingerprint).not.toBe(base.fingerprint);
    expect(other.builderFingerprints).toEqual(base.builderFingerprints);
  });

  it('change with the sources', () => {
    expect(compileConfig(config({}), { sources: { 'a.ts': 'x' } }).fingerprint).not.toBe(base.fingerprint);
  });
});
