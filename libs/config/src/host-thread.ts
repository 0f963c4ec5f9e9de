import { parentPort, workerData } from 'node:worker_threads';
import { checkJsonLimits, UnexpectedError } from '@millrace/domain';
import type { Callback } from './callback-table.js';
import { compileConfig } from './compile.js';
import { giveWay } from './give-way.js';
import { type HostCall, type HostMessage, type HostThreadData, sendable } from './host-messages.js';
import { loadConfig } from './load.js';
import { isJson } from './object-reader.js';

/** Limits of a callback's return value. */
const RETURNED = { maxDepth: 32, maxValues: 100_000, maxCharacters: 1 << 20 };

/** The thread of a ConfigHost. All of the user's code except steps runs here. */
async function main(): Promise<void> {
  if (!parentPort) throw new UnexpectedError('not-a-thread', 'host-thread runs as a worker thread only');
  const port = parentPort;
  const send = (message: HostMessage) => port.postMessage(message);
  const { file, snapshot } = workerData as HostThreadData;
  let callbacks: ReadonlyMap<string, Callback>;
  try {
    const loaded = await loadConfig(file, snapshot ?? {});
    const compiled = compileConfig(loaded.user, { file: loaded.file, sources: loaded.sources });
    callbacks = compiled.callbacks;
    giveWay();
    const { revision, fingerprint, builderFingerprints, workerDigests, gitAccesses, hookSecrets, variables } = compiled;
    send({
      kind: 'ready',
      revision: {
        revision,
        fingerprint,
        builderFingerprints,
        workerDigests,
        gitAccesses,
        hookSecrets,
        variables,
        snapshot: loaded.snapshot,
      },
    });
  } catch (error) {
    send({ kind: 'bad-config', error: sendable(error) });
    return;
  }

  const call = async ({ id, handle, args }: HostCall): Promise<void> => {
    try {
      const callback = callbacks.get(handle);
      if (!callback)
        throw new UnexpectedError('no-callback', `the configuration has no callback '${handle}'`, { handle });
      const value = (await callback(...args)) ?? null;
      if (!isJson(value)) throw new TypeError(`'${handle}' returned something that JSON cannot hold`);
      checkJsonLimits(value, RETURNED);
      send({ kind: 'returned', id, value });
    } catch (error) {
      send({ kind: 'threw', id, error: sendable(error) });
    }
  };
  port.on('message', (message: HostCall) => void call(message));
}

await main();
