import { describe, expect, it } from '@jest/globals';
import {
  checkAddedSteps,
  type CommandOutcome,
  compileConfig,
  ConfigError,
  interpolate,
  type ShellOptions,
  type Step,
  type StepContext,
} from '@millrace/config';
import { Result } from '@millrace/domain';
import { generateSteps } from './generate-steps.js';
import { git } from './git/git.js';
import { endedBecause, resultOf, summaryOf } from './outcome.js';
import { setProperty } from './set-property.js';
import { shell } from './shell.js';
import { fileDownload, fileUpload } from './transfer.js';

const configOf = (step: Step) => ({
  workers: [{ name: 'w', password: 'x' }],
  builders: [{ name: 'b', workers: ['w'], factory: [step] }],
});

function problemsOf(step: Step): string[] {
  try {
    compileConfig(configOf(step));
    return [];
  } catch (error) {
    if (error instanceof ConfigError)
      return error.problems.map(({ message }) => message.replace('builders[0].factory[0]', 'STEP'));
    throw error;
  }
}

/** Options as they come from JavaScript, or from TypeScript with a cast. */
const odd = (options: object) => options as never;

describe('options', () => {
  it.each<[string, Step]>([
    ['shell', shell({ command: 'make' })],
    [
      'shell with everything',
      shell({
        name: 'n',
        command: [
          'a',
          '',
          interpolate('%(prop:x)s'),
          (build) => build.builderName,
          { obfuscated: 'S', value: () => 's' },
        ],
        workdir: 'w',
        env: { A: null, B: '', C: () => 'c', D: { obfuscated: 'S', value: '' } },
        timeoutSeconds: null,
        maxTimeSeconds: 1,
        sigtermTimeSeconds: 2,
        interruptSignal: 'TERM',
        maxLines: 5,
        logfiles: { l: 'l.txt', m: { filename: 'm.txt', follow: true } },
        decodeRC: { 0: Result.SUCCESS, 2: Result.WARNINGS },
        logEnviron: true,
        usePty: true,
        stdin: '',
        description: 'd',
        haltOnFailure: true,
        doStepIf: () => true,
        hideStepIf: (result) => result === Result.SUCCESS,
      }),
    ],
    [
      'git',
      git({
        repository: 'https://git.example/x',
        branch: 'main',
        mode: 'full',
        shallow: 3,
        credentials: { passwordEnv: 'PW' },
      }),
    ],
    [
      'git with everything else',
      git({
        repository: 'ssh://git@git.example/x',
        codebase: 'app',
        alwaysUseLatest: true,
        mode: 'full',
        method: 'clean',
        sshPrivateKeyEnv: 'KEY',
        sshHostKey: 'ssh-ed25519 AAAA',
        submodules: true,
        shallow: true,
        reference: '/srv/mirror',
        tags: true,
        progress: false,
        getDescription: { tags: true, dirty: '-d', abbrev: 8, match: 'v*' },
        config: { 'http.proxy': '', 'url.https://h/.insteadOf': 'x:' },
        retry: { delaySeconds: 1, repeats: 2 },
        clobberOnFailure: false,
      }),
    ],
    ['git of a part', git({ repository: 'https://h/x', filters: ['blob:none'], getDescription: true })],
    ['setProperty', setProperty({ property: 'p', value: null })],
    ['fileUpload', fileUpload({ workerSrc: 'a', blobName: 'b' })],
    ['fileDownload', fileDownload({ content: '', workerDest: 'b', mode: 0o600 })],
  ])('accepts %s', (_what, step) => expect(problemsOf(step)).toEqual([]));

  it.each<[string, Step, string]>([
    ['no command', shell(odd({})), 'STEP.command is missing; expected a string, a list of strings or a callback'],
    [
      'a command of numbers',
      shell(odd({ command: [1] })),
      'STEP.command is [1]; expected a string, a list of strings or a callback',
    ],
    [
      'an unknown option',
      shell(odd({ command: 'x', timeout: 3 })),
      "STEP.timeout is not a setting; did you mean 'timeoutSeconds'?",
    ],
    [
      'a flag that is no boolean',
      shell(odd({ command: 'x', alwaysRun: 'yes' })),
      'STEP.alwaysRun is "yes"; expected true or false',
    ],
    [
      'a secret without its value',
      shell(odd({ command: ['x', { obfuscated: 'KEY', value: 'hunter2' }, { obfuscated: 'TOKEN' }] })),
      'STEP.command is ["x",{"obfuscated":"KEY"},{"obfuscated":"TOKEN"}]; expected a string, a list of strings or a callback',
    ],
    [
      'a variable whose secret is not set',
      setProperty(odd({ property: 'p', command: 'x', env: { T: { obfuscated: 'TOKEN', value: undefined } } })),
      'STEP.env.T is {"obfuscated":"TOKEN"}; expected a string, null, a template or a callback',
    ],
    [
      'a log file without a name',
      shell(odd({ command: 'x', logfiles: { l: { file: 'l.txt' } } })),
      'STEP.logfiles.l is {"file":"l.txt"}; expected a path or { filename, follow? }',
    ],
    [
      'a result that is none',
      shell(odd({ command: 'x', decodeRC: { 1: 9 } })),
      'STEP.decodeRC.1 is 9; expected a result such as Result.WARNINGS',
    ],
    [
      'a negative time',
      shell({ command: 'x', timeoutSeconds: -1 }),
      'STEP.timeoutSeconds is -1; expected a number of at least 0.001',
    ],
    [
      'no repository',
      git(odd({})),
      'STEP.repository is missing; expected the address of a Git repository, a template or a callback',
    ],
    [
      'an unknown mode',
      git(odd({ repository: 'r', mode: 'ful' })),
      "STEP.mode is \"ful\"; expected one of 'full', 'incremental' (did you mean 'full'?)",
    ],
    ['a method of what is no mode', git({ repository: 'r', method: 'clean' }), "expected mode: 'full' beside it"],
    ['an unknown method', git(odd({ repository: 'r', mode: 'full', method: 'clobbr' })), "did you mean 'clobber'?"],
    ['an option as a filter', git({ repository: 'r', filters: ['--x'] }), "expected filters such as 'blob:none'"],
    [
      'a part with credentials',
      git({ repository: 'https://h/x', filters: ['tree:0'], credentials: { passwordEnv: 'P' } }),
      'no credentials beside it',
    ],
    [
      'a setting that is none',
      git({ repository: 'r', config: { proxy: 'x' } }),
      "STEP.config has 'proxy', which is no name",
    ],
    [
      'a description of something else',
      git(odd({ repository: 'r', getDescription: { tag: true } })),
      "STEP.getDescription.tag is not a setting; did you mean 'tags'?",
    ],
    [
      'a wait without end',
      git({ repository: 'r', retry: { delaySeconds: 1e9, repeats: 1 } }),
      'STEP.retry.delaySeconds is',
    ],
    [
      'two keys',
      git({ repository: 'ssh://h/x', sshPrivateKey: 'hunter2', sshPrivateKeyEnv: 'K' }),
      'STEP.sshPrivateKey: expected one of sshPrivateKey, sshPrivateKeyEnv',
    ],
    ['an empty key', git({ repository: 'ssh://h/x', sshPrivateKey: ' ' }), 'STEP.sshPrivateKey: expected a non-empty'],
    [
      'a host key without a key',
      git({ repository: 'ssh://h/x', sshHostKey: 'ssh-rsa A' }),
      'STEP.sshHostKey: expected sshPrivateKeyEnv beside it',
    ],
    [
      'two lists of hosts',
      git({ repository: 'ssh://h/x', sshPrivateKeyEnv: 'K', sshHostKey: 'ssh-rsa A', sshKnownHosts: 'h ssh-rsa A' }),
      'sshHostKey or sshKnownHosts, not both',
    ],
    [
      'a key for a repository that depends on the build',
      git({ repository: 'ssh://h/%(src::project)s', sshPrivateKeyEnv: 'K' }),
      'STEP.sshPrivateKeyEnv: expected a repository that is a plain string',
    ],
    [
      'a key and credentials',
      git({ repository: 'https://h/x', sshPrivateKey: 'hunter2', credentials: { passwordEnv: 'P' } }),
      'credentials or an SSH key, not both',
    ],
    ['half credentials', git(odd({ repository: 'r', credentials: { username: 'u' } })), 'credentials are incomplete'],
    [
      'credentials for a repository that depends on the build',
      git({ repository: 'https://%(prop:host)s/x', credentials: { passwordEnv: 'P' } }),
      'STEP.credentials.url is missing, and the repository depends on the build',
    ],
    [
      'credentials for another host',
      git({ repository: 'https://git.example/x', credentials: { passwordEnv: 'P', url: 'https://other.example' } }),
      "STEP.credentials do not fit; expected credentials for where the repository 'https://git.example/x' is",
    ],
    [
      'credentials for what is no address',
      git({ repository: 'https://git.example/x', credentials: { passwordEnv: 'P', url: 'git.example' } }),
      "STEP.credentials.url is 'git.example'; expected an address",
    ],
    [
      'credentials over ssh',
      git({ repository: 'git@h:x', credentials: { passwordEnv: 'P' } }),
      'STEP.credentials do not fit',
    ],
    [
      'a token in the address',
      git({ repository: 'https://hunter2@h/x' }),
      'STEP.repository holds a user name or password',
    ],
    ['both or neither', setProperty({ property: 'p' }), 'STEP.value is missing; expected either value or command'],
    [
      'content and blob',
      fileDownload({ content: 'x', blobName: 'y', workerDest: 'z' }),
      'STEP.content is "x"; expected either content or blobName',
    ],
  ])('reports %s', (_what, step, message) => {
    const problems = problemsOf(step);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(message);
  });

  it.each<[string, Step]>([
    ['command', shell({ command: 'curl -H %(secret:key)s x' })],
    ['command', shell({ command: interpolate('%(secret:key:-none)s') })],
    ['command', shell({ command: ['curl', { obfuscated: 'KEY', value: '%(secret:key)s' }] })],
    ['env', shell({ command: 'x', env: { KEY: interpolate('%(secret:key)s') } })],
    ['stdin', shell({ command: 'x', stdin: '%(secret:key)s' })],
    ['value', setProperty({ property: 'p', value: { nested: ['%(secret:key)s'] } })],
    ['content', fileDownload({ content: '%(secret:key)s', workerDest: 'f' })],
    ['workdir', git({ repository: 'r', workdir: '%(secret:key)s' })],
  ])('reports a secret in %s, which nobody could fill in', (key, step) => {
    expect(problemsOf(step)).toEqual([expect.stringMatching(`^STEP.${key}: .*there are no secrets in templates yet`)]);
  });

  it('shows no password in problems, descriptions and fingerprints', () => {
    const withPassword = git({ repository: 'https://u:hunter2@git.example/x', credentials: { password: 'hunter3' } });
    expect(problemsOf(withPassword)).toHaveLength(1);
    const texts = JSON.stringify([
      problemsOf(withPassword),
      git({ repository: 'r', credentials: { password: 'hunter3' } }).describe(),
    ]);
    expect(texts).not.toMatch(/hunter/);
  });

  it('shows secrets of commands and environments in their obfuscated form', () => {
    const secret = { obfuscated: 'XXX', value: 'hunter2' };
    const command = ['deploy', secret];
    const steps = [shell({ command, env: { T: secret } }), setProperty({ property: 'p', command, env: { T: secret } })];
    const shown = { command: ['deploy', { obfuscated: 'XXX' }], env: { T: { obfuscated: 'XXX' } } };
    for (const step of steps) {
      expect(problemsOf(step)).toEqual([]);
      expect(step.describe()).toMatchObject(shown);
    }
  });
});

describe('a command for the shell', () => {
  const notesOf = (command: string) => compileConfig(configOf(shell({ command }))).notes.map(({ message }) => message);

  it('is checked: its notes tell which values are quoted and which are not', () => {
    expect(notesOf('make all')).toEqual([]);
    expect(notesOf('date +%s; echo %(src::branch)s %(raw:prop:flags)s %(prop:x:+--x)s')).toEqual([
      'builders[0].factory[0].command is a string: the shell gets %(src::branch)s quoted, as one word each; the shell reads what is in %(raw:prop:flags)s, as you have asked for',
    ]);
    const problems = problemsOf(shell({ command: 'echo `git log %(src::branch)s`' }));
    expect(problems).toEqual([expect.stringMatching(/^STEP.command: %\(src::branch\)s stands after a backquote/)]);
    expect(problemsOf(setProperty({ property: 'p', command: 'echo $((%(prop:x)s))' }))).toHaveLength(1);
  });
});

const done: CommandOutcome = { rc: 0, failure: null, failureReason: null, cancelled: false, workerLost: false };
/** Runs a step on a worker on which every command prints `stdout`. */
async function run(step: Step, stdout = '') {
  const states: string[] = [];
  const set: unknown[] = [];
  const commands: ShellOptions[] = [];
  const added: unknown[] = [];
  const context: Partial<StepContext> = {
    render: (value) => Promise.resolve(value) as Promise<never>,
    renderCommand: (value) => Promise.resolve(value) as Promise<never>,
    renderPath: (value) => Promise.resolve(value) as Promise<never>,
    setState: (state) => states.push(state),
    addStepsAfterCurrentStep: (data) => {
      added.push(data);
      return step.makeSteps!(data).length;
    },
    properties: { get: () => undefined, has: () => false, set: (_name, value) => set.push(value) },
    shell: (options) => {
      commands.push(options);
      return Promise.resolve({ ...done, stdout: stdout.slice(0, options.capture?.maxBytes) });
    },
  };
  return { outcome: await step.run(context as StepContext), states, set, commands, added };
}

describe('commands', () => {
  it('get secrets and log files unchanged, and no state shows a secret', async () => {
    const secret = { obfuscated: 'XXX', value: 'hunter2' };
    const logfiles = { all: 'a.log', added: { filename: 'b.log', follow: true } };
    const ran = await run(shell({ command: [secret, 'x'], env: { T: secret }, logfiles }));
    expect(ran.commands).toMatchObject([{ command: [secret, 'x'], env: { T: secret }, logfiles }]);
    expect(ran.outcome).toEqual({ result: Result.SUCCESS, stateString: "'XXX x'" });
    expect(ran.states).toEqual(["'XXX x'"]);
  });

  it('whose output is too long for a property set none', async () => {
    const step = setProperty({ property: 'p', command: 'x' });
    expect((await run(step, ` ${'x'.repeat(65_534)}\n`)).set).toEqual(['x'.repeat(65_534)]);
    const { outcome, set } = await run(step, `${'x'.repeat(65_536)}\n`);
    expect(outcome).toEqual({ result: Result.FAILURE, stateString: "property 'p' not set: more than 64 kB of output" });
    expect(set).toEqual([]);
  });
});

describe('generateSteps', () => {
  it.each([
    ['unit\nlint\n', ['unit\nlint\n'], { result: Result.SUCCESS, stateString: '2 steps added' }],
    ['unit', ['unit'], { result: Result.SUCCESS, stateString: '1 step added' }],
    ['x'.repeat(65_537), [], { result: Result.FAILURE, stateString: 'no steps added: more than 64 kB of output' }],
  ])('adds steps by its command’s output: %#', async (stdout, expected, result) => {
    const step = generateSteps({
      command: 'list',
      steps: (output) =>
        output
          .trim()
          .split('\n')
          .map((name) => shell({ name, command: name })),
    });
    const { outcome, added } = await run(step, stdout);
    expect([outcome, added]).toEqual([result, expected]);
  });

  it.each([
    [() => [shell({ name: 'good', command: 'x' })], null],
    [() => 'none', 'has to return a list of steps'],
    [() => [{}], 'returned no step at [0]'],
    [() => [shell({ name: 'n'.repeat(51), command: 'x' })], 'of 1 to 50 characters'],
    [() => [shell({ command: 'x', colour: 'red' } as never)], 'returned a step with a problem at [0]'],
  ])('has its steps checked: %#', (make, problem) => {
    const check = () => checkAddedSteps(make());
    if (problem === null) expect(check()).toHaveLength(1);
    else expect(check).toThrow(problem);
  });
});

describe('outcomes', () => {
  const outcome = (parts: Partial<CommandOutcome>): CommandOutcome => ({
    rc: 0,
    failure: null,
    failureReason: null,
    cancelled: false,
    workerLost: false,
    ...parts,
  });
  it.each([
    [{}, Result.SUCCESS],
    [{ rc: 1 }, Result.FAILURE],
    [{ rc: 3 }, Result.WARNINGS],
    [{ rc: null }, Result.FAILURE],
    [{ rc: 0, failureReason: 'timeout' }, Result.FAILURE],
    [{ rc: 0, failure: 'a bad read' }, Result.EXCEPTION],
    [{ rc: -1, cancelled: true }, Result.CANCELLED],
    [{ rc: null, failure: 'gone', workerLost: true }, Result.RETRY],
  ])('of %j is %j', (parts, result) => {
    expect(resultOf(outcome(parts), { 0: Result.SUCCESS, 3: Result.WARNINGS })).toBe(result);
  });

  it.each([
    ['make test', "'make test'"],
    [['make'], "'make'"],
    ['./configure --prefix=/usr --with-x', "'./configure --prefix=/usr ...'"],
    ['set -e\nmake', "'set -e ...'"],
  ])('%j is summed up as %s', (command, summary) => expect(summaryOf(command)).toBe(summary));

  it('tell why the worker ended a command', () => {
    expect(endedBecause(outcome({ rc: -1, failureReason: 'timeout_without_output' }))).toBe(
      ' (no output for too long)',
    );
    expect(endedBecause(outcome({}))).toBe('');
    expect(endedBecause(outcome({ rc: 1, failureReason: 'Cannot open it' }))).toBe(' (Cannot open it)');
    expect(endedBecause(outcome({ failure: 'Traceback:\n  at once\nOSError: no space\n' }))).toBe(
      ' (OSError: no space)',
    );
    const twisted = "[Failure instance: Traceback: <class 'OSError'>: [Errno 28] no space\n/x.py:1:f\n]";
    expect(endedBecause(outcome({ failure: twisted }))).toBe(' ([Errno 28] no space)');
    expect(endedBecause(outcome({ failure: 'the connection is gone', workerLost: true }))).toBe('');
  });
});
