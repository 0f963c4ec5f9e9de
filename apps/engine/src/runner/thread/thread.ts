import { parentPort, workerData } from 'node:worker_threads';
import { compileConfig, ConfigError, giveWay, loadConfig, type MasterConfig } from '@millrace/config';
import { UnexpectedError } from '@millrace/domain';
import type { BuildServices, ServiceMethod } from '../protocol/build-services.js';
import { BuildWalk } from './build-walk.js';
import { BEAT_MS, Heartbeat } from '../protocol/heartbeat.js';
import {
  type FromThread,
  fromSent,
  type Generation,
  type ServiceReply,
  toSent,
  type ToThread,
} from '../protocol/messages.js';

export interface ThreadData {
  readonly generation: Generation;
  readonly heartbeat: SharedArrayBuffer;
}

/** A runner thread: loads the configuration once, then runs build after build, one at a time. */
async function main(): Promise<void> {
  if (!parentPort) throw new UnexpectedError('not-a-thread', 'a runner thread runs as a worker thread only');
  const port = parentPort;
  const send = (message: FromThread) => port.postMessage(message);
  const { generation, heartbeat: memory } = workerData as ThreadData;
  const heartbeat = new Heartbeat(memory);
  const beat = () => {
    const { external } = process.memoryUsage();
    heartbeat.beat(external);
  };

  let config: MasterConfig;
  try {
    const loaded = await loadConfig(generation.configFile, generation.snapshot ?? {});
    if (!generation.snapshot)
      requireFingerprint(generation, compileConfig(loaded.user, { ...loaded, withoutPasswords: true }).fingerprint);
    config = loaded.user as MasterConfig;
    send({ kind: 'ready', snapshot: loaded.snapshot, threadId: giveWay() });
  } catch (error) {
    send({ kind: 'load-failed', error: toSent(error) });
    return;
  }

  let walk: BuildWalk | null = null;
  let calls: HostCalls | null = null;

  const run = async (message: Extract<ToThread, { kind: 'run' }>): Promise<void> => {
    const { job } = message;
    const beats = setInterval(beat, BEAT_MS);
    beat();
    const builder = config.builders.find(({ name }) => name === job.builderName);
    calls = new HostCalls(send);
    try {
      if (!builder) throw new UnexpectedError('no-builder', `the configuration has no builder '${job.builderName}'`);
      walk = new BuildWalk(job, builder, calls.services(), (step) => send({ kind: 'step', step }));
      const outcome = await walk.run();
      send({ kind: 'done', outcome });
    } catch (error) {
      send({ kind: 'done', outcome: { kind: 'died', fault: 'runner', reason: toSent(error).message, step: null } });
    } finally {
      clearInterval(beats);
      walk = null;
    }
  };

  port.on('message', (message: ToThread) => {
    switch (message.kind) {
      case 'run':
        void run(message);
        break;
      case 'stop':
        walk?.stop(message.reason);
        break;
      case 'reply':
        calls?.settle(message);
        break;
    }
  });
}

/** Checks that the file on the disk is still what the engine has compiled. */
function requireFingerprint({ configFile, fingerprint }: Generation, found: string): void {
  if (found === fingerprint) return;
  const message = `${configFile} is no longer what was loaded; reload the configuration`;
  throw new ConfigError([{ path: '', expected: 'an unchanged file', message, file: configFile }]);
}

/**
 * The engine as a build's thread sees it: every call is a message, and answers are matched by number. The promise of a call of which only a
 * failure is answered (`UNANSWERED`) never resolves.
 */
class HostCalls {
  private next = 0;
  private readonly waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();

  constructor(private readonly send: (message: FromThread) => void) {}

  settle({ call, value, error }: ServiceReply): void {
    const waiting = this.waiting.get(call);
    this.waiting.delete(call);
    if (error) waiting?.reject(fromSent(error));
    else waiting?.resolve(value as never);
  }

  services(): BuildServices {
    const call = <M extends ServiceMethod>(method: M) =>
      ((...args: readonly unknown[]) =>
        new Promise<never>((resolve, reject) => {
          const number = this.next++;
          this.waiting.set(number, { resolve, reject });
          this.send({ kind: 'call', call: number, method, args });
        })) as BuildServices[M];
    return {
      startStep: call('startStep'),
      takeLocks: call('takeLocks'),
      runCommand: call('runCommand'),
      trigger: call('trigger'),
      interrupt: call('interrupt'),
      appendLog: call('appendLog'),
      setStepState: call('setStepState'),
      finishStep: call('finishStep'),
      setProperties: call('setProperties'),
      setBuildData: call('setBuildData'),
      addTestResults: call('addTestResults'),
    };
  }
}

await main();
