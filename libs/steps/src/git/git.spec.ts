import { posix } from 'node:path';
import { beforeEach, describe, expect, it } from '@jest/globals';
import type { CommandOutcome, ShellOptions, StepContext } from '@millrace/config';
import { NO_SOURCE, Result } from '@millrace/domain';
import { git } from './git.js';
import type { GitStepOptions } from './options.js';

const DONE: CommandOutcome = { rc: 0, failure: null, failureReason: null, cancelled: false, workerLost: false };

/** The files of a worker on which every git command succeeds. */
const files = new Map<string, string>();
let removal: CommandOutcome;

beforeEach(() => {
  files.clear();
  removal = DONE;
});

const FOLDER = '/w/.millrace-git';
const credentials = { password: 'hunter2' };

function build(options: Partial<GitStepOptions> = {}, downloaded = DONE) {
  const said: string[] = [];
  const commands: ShellOptions[] = [];
  const context: Partial<StepContext> = {
    sourceStamp: NO_SOURCE,
    sourceStamps: [NO_SOURCE],
    worker: { name: 'w', basedir: '/w', system: 'posix', environ: {} },
    properties: { get: () => undefined, has: () => false, set: () => undefined },
    render: (value) =>
      Promise.resolve(
        typeof value === 'function' ? (value as (build: object) => unknown)({}) : value,
      ) as Promise<never>,
    renderPath: (value) => Promise.resolve(value) as Promise<never>,
    path: (...parts) => posix.resolve('/w', ...parts),
    setState: () => undefined,
    log: () => ({ append: (text) => Promise.resolve(void said.push(text)) }),
    shell: (command) => {
      commands.push(command);
      return Promise.resolve({ ...DONE, stdout: 'abc' });
    },
    download: (what, { workerDest }) => {
      if (downloaded.rc === 0 && 'content' in what) files.set(workerDest, String(what.content));
      return Promise.resolve(downloaded);
    },
    command: (name, { path, paths }) => {
      if (removal.rc !== 0) return Promise.resolve(removal);
      const gone =
        name === 'rmdir'
          ? [...files.keys()].filter((file) => file.startsWith(`${String(paths as string[])}/`))
          : [path as string];
      for (const file of gone) files.delete(file);
      return Promise.resolve(DONE);
    },
  };
  const step = git({ repository: 'https://git.example/x', credentials, ...options });
  return Promise.resolve(step.run(context as StepContext)).then((outcome) => ({
    outcome,
    commands,
    said: said.join(''),
  }));
}

it.each(['source', 'source/sub', '.'])('git copies nothing into itself: %s', async (workdir) => {
  const { outcome, commands, said } = await build({ credentials: undefined, mode: 'full', method: 'copy', workdir });
  expect([outcome, commands]).toMatchObject([{ result: Result.EXCEPTION }, []]);
  expect(said).toContain('are not apart');
});

describe('the credentials of git', () => {
  it('are removed by the next build when their worker died', async () => {
    files.set(`${FOLDER}/credentials`, 'left behind');
    removal = { ...DONE, rc: null, failure: 'gone', workerLost: true };
    expect((await build()).outcome).toMatchObject({ result: Result.RETRY });
    removal = DONE;
    expect((await build()).outcome).toEqual({ result: Result.SUCCESS, stateString: 'update abc' });
    expect(files.size).toBe(0);
  });

  it('fail the step when they cannot be written or removed', async () => {
    expect((await build({}, { ...DONE, rc: 1 })).outcome).toMatchObject({ result: Result.FAILURE });
    removal = { ...DONE, rc: 13 };
    expect((await build()).outcome).toEqual({
      result: Result.FAILURE,
      stateString: 'update, credentials not removed',
    });
  });

  it.each<[string, Partial<GitStepOptions>, RegExp]>([
    [
      'another host',
      { credentials: { ...credentials, url: 'https://git.example' }, repository: () => 'https://evil.example/x' },
      /are for https:\/\/git.example, so they are not sent to 'https:\/\/evil.example\/x'/,
    ],
    [
      'another path',
      {
        credentials: { ...credentials, url: 'https://git.example/team' },
        repository: () => 'https://git.example/other/x',
      },
      /not sent/,
    ],
    ['no place', { repository: () => 'https://git.example/x' }, /are for no address/],
    [
      'a secret in the address',
      { repository: () => 'https://user:hunter3@git.example/x' },
      /'https:\/\/\*\*\*@git.example\/x' holds a user name or password/,
    ],
    [
      'a secret without credentials',
      { credentials: undefined, repository: () => 'https://hunter3@git.example/x' },
      /holds a user name/,
    ],
    ['no variable', { credentials: { passwordEnv: 'MILLRACE_NOT_SET' } }, /MILLRACE_NOT_SET/],
  ])('do not leave for %s, and the log says why', async (_what, options, message) => {
    const { outcome, commands, said } = await build(options);
    expect(outcome).toMatchObject({ result: Result.EXCEPTION });
    expect(commands).toEqual([]);
    expect(said).toMatch(message);
    expect(said + JSON.stringify(outcome)).not.toContain('hunter');
  });

  it('are given to git for their scope only, and outside of every folder of a build', async () => {
    const { commands } = await build({
      credentials: { ...credentials, url: 'https://git.example/team' },
      repository: () => 'https://git.example/team/x',
    });
    const withHelper = commands.filter(({ command }) => command.includes('credential.helper='));
    expect(withHelper).toHaveLength(1);
    expect(withHelper[0]).toMatchObject({
      workdir: `${FOLDER}/repository`,
      env: { HOME: FOLDER, GIT_CONFIG_GLOBAL: null },
    });
    expect(withHelper[0]!.command).toContain(
      `credential.https://git.example/team.helper=store --file='${FOLDER}/credentials'`,
    );
    expect(JSON.stringify(commands)).not.toContain('hunter2');
  });
});
