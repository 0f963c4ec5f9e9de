import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

const FIXTURE = fileURLToPath(new URL('fixture-logger.mjs', import.meta.url));

describe('the log', () => {
  it('keeps nobody alive whose supervisor has died with unread lines', async () => {
    const child = fork(FIXTURE, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'], execArgv: [] });
    const exited = once(child, 'exit');
    await once(child, 'message');
    // Closing a socket with unread data resets it.
    child.stdout!.destroy();
    child.send('go on');
    expect(await exited).toEqual([70, null]);
  });
});
