import { beforeEach, describe, expect, it } from '@jest/globals';
import type { CommandOutcome, StepContext } from '@millrace/config';
import { Result } from '@millrace/domain';
import { git } from './git.js';

const DONE: CommandOutcome = { rc: 0, failure: null, failureReason: null, cancelled: false, workerLost: false };

/** The files of a worker on which every command of git succeeds. */
const files = new Map<string, string>();
let removal: CommandOutcome;

beforeEach(() => {
  files.clear();
  removal = DONE;
});

function build(buildNumber: number, downloaded = DONE) {
  const context: Partial<StepContext> = {
    buildNumber,
    sourceStamp: { branch: null, revision: null, repository: '', project: '', codebase: '' },
    properties: { get: () => undefined, has: () => false, set: () => undefined },
    render: (value) => Promise.resolve(value) as Promise<never>,
    path: (...parts) => ['/w', ...parts].join('/'),
    setState: () => undefined,
    shell: () => Promise.resolve({ ...DONE, stdout: 'abc' }),
    download: (what, { workerDest }) => {
      if (downloaded.rc === 0 && 'content' in what) files.set(workerDest, String(what.content));
      return Promise.resolve(downloaded);
    },
    command: (_name, { path }) => {
      if (removal.rc !== 0) return Promise.resolve(removal);
      return Promise.resolve(files.delete(path as string) ? DONE : { ...DONE, rc: 2 });
    },
  };
  const step = git({ repository: 'https://git.example/x', credentials: { password: 'hunter2' } });
  return step.run(context as StepContext);
}

describe('the credentials of git', () => {
  it('are removed with the next build when their worker died, and lie in one file until then', async () => {
    removal = { ...DONE, rc: null, failure: 'gone', workerLost: true };
    for (const number of [1, 2]) expect(await build(number)).toMatchObject({ result: Result.RETRY });
    expect([...files.values()]).toEqual(['https://git:hunter2@git.example\n']);
    removal = DONE;
    expect(await build(3)).toEqual({ result: Result.SUCCESS, stateString: 'update abc' });
    expect(files.size).toBe(0);
  });

  it('fail the step when they cannot be removed, and not when they were never there', async () => {
    removal = { ...DONE, rc: 13 };
    expect(await build(1)).toEqual({
      result: Result.FAILURE,
      stateString: 'update abc, credentials not removed',
    });
    removal = DONE;
    files.clear();
    const unwritten = { result: Result.FAILURE, stateString: 'credentials not written' };
    expect(await build(2, { ...DONE, rc: 1 })).toEqual(unwritten);
  });
});
