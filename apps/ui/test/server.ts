import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { NestFactory } from '@nestjs/core';
import type { Hint } from '@millrace/contracts';
import { listenerRule } from '@millrace/domain';
import { httpAdapter } from '@millrace/master';
import { UI_HOST, type UiHost } from '../src/host.js';
import type { Rights } from '../src/resources/caller.js';
import { UI_LISTENER } from '../src/rest/api-dispatcher.js';
import { UiParts } from '../src/ui.module.js';
import type { Site } from './site.js';

export interface UiServer {
  readonly url: string;
  readonly published: Hint[];
  readonly warnings: unknown[];
  setBus(state: UiHost['hints']['state']): void;
  close(): Promise<void>;
}

const PUBLIC_URL = 'http://ci.example.invalid';

export type BusState = UiHost['hints']['state'];

/** The UI as `runMaster` starts it, with a bus inside the process. */
export async function startUi(
  site: Site,
  options: {
    bus?: BusState;
    pollIntervalMs?: number;
    port?: number;
    webFolder?: string;
    wsMax?: number;
    rights?: Rights;
  } = {},
): Promise<UiServer> {
  const rule = listenerRule({ publicUrl: PUBLIC_URL });
  const published: Hint[] = [];
  const warnings: unknown[] = [];
  const listeners = new Set<(state: BusState) => void>();
  let state: BusState = options.bus ?? 'connected';
  const host: UiHost = {
    db: site.db,
    hints: {
      get state() {
        return state;
      },
      publish: (hint) => {
        published.push(hint);
        site.hint(hint);
      },
      subscribe: (_prefix, handler) => {
        site.onHint((hint) => state === 'connected' && handler(hint.topic, hint.payload));
        return () => undefined;
      },
      onState: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    log: { warn: (fields) => warnings.push(fields), error: (fields) => warnings.push(fields) },
    settings: {
      publicUrl: PUBLIC_URL,
      listenerRule: rule,
      wsMax: options.wsMax ?? 100,
      wsMaxPerAddress: 100,
      pollIntervalMs: options.pollIntervalMs ?? 2000,
    },
  };
  const app = await NestFactory.create<NestFastifyApplication>(
    UiParts.with({ provide: UI_HOST, useValue: host }, options.webFolder, options.rights),
    httpAdapter({ rule, ...UI_LISTENER }),
    { logger: ['error', 'warn'], abortOnError: false },
  );
  await app.listen(options.port ?? 0, '127.0.0.1');
  const url = await app.getUrl();
  return {
    url,
    published,
    warnings,
    setBus(next) {
      state = next;
      for (const listener of listeners) listener(next);
    },
    async close() {
      await app.close();
    },
  };
}
