import type { DynamicModule } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import type { CompiledWww, Hint } from '@millrace/contracts';
import {
  ApiTokenStore,
  AuditStore,
  BuildActionStore,
  HookDeliveryStore,
  RevertStore,
  SessionStore,
  UserStore,
  WorkerActionStore,
} from '@millrace/database';
import { listenerRule } from '@millrace/domain';
import {
  type BusState,
  DATABASE,
  type HintHandler,
  Hints,
  httpAdapter,
  LOG,
  MillraceErrorFilter,
  SETTINGS,
} from '@millrace/master';
import { Registry } from 'prom-client';
import { HOOK_ENVIRONMENT } from '../src/hooks/revision-hooks.js';
import { UI_LISTENER } from '../src/http/listener.js';
import { AccessPolicy } from '../src/access/access-policy.js';
import { PROVIDER_ENVIRONMENT } from '../src/access/providers/providers.js';
import { ResourceTable } from '../src/resources/resource-table.js';
import { ResourcesModule } from '../src/resources/resources.module.js';
import { UiModule } from '../src/ui.module.js';
import { WEB_FOLDER } from '../src/web/web-app.js';
import type { Site } from './site.js';

export interface UiServer {
  readonly url: string;
  readonly published: Hint[];
  readonly warnings: unknown[];
  setBus(state: BusState): void;
  /** Returns the metrics as they are exposed. */
  metrics(): Promise<string>;
  close(): Promise<void>;
}

const PUBLIC_URL = 'http://ci.example.invalid';

/** A bus inside the process. It delivers the site's hints while it is connected. */
export class SiteHints extends Hints {
  readonly published: Hint[] = [];
  private readonly listeners = new Set<(state: BusState) => void>();

  constructor(
    private readonly site: Site,
    private current: BusState = 'connected',
  ) {
    super();
  }

  get state(): BusState {
    return this.current;
  }

  publish(hint: Hint): void {
    this.published.push(hint);
    this.site.hint(hint);
  }

  subscribe(_prefix: string, handler: HintHandler): () => void {
    return this.site.onHint((hint) => this.current === 'connected' && handler(hint.topic, hint.payload));
  }

  onState(listener: (state: BusState) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  become(state: BusState): void {
    this.current = state;
    for (const listener of this.listeners) listener(state);
  }
}

/** Provides the parts of `MasterModule` that the UI uses, for a site. */
export function masterOf(site: Site, hints: Hints, settings: object, warnings: unknown[]): DynamicModule {
  const warn = (fields: unknown): unknown => warnings.push(fields);
  const providers = [
    { provide: DATABASE, useValue: site.db },
    { provide: BuildActionStore, useValue: new BuildActionStore(site.db) },
    { provide: HookDeliveryStore, useValue: new HookDeliveryStore(site.db) },
    { provide: RevertStore, useValue: new RevertStore(site.db) },
    { provide: WorkerActionStore, useValue: new WorkerActionStore(site.db) },
    { provide: AuditStore, useValue: new AuditStore(site.db) },
    { provide: ApiTokenStore, useValue: new ApiTokenStore(site.db) },
    { provide: SessionStore, useValue: new SessionStore(site.db) },
    { provide: UserStore, useValue: new UserStore(site.db) },
    { provide: Hints, useValue: hints },
    { provide: LOG, useValue: { warn, error: warn } },
    { provide: SETTINGS, useValue: settings },
    { provide: Registry, useValue: new Registry() },
  ];
  return {
    module: class MasterOfSite {},
    global: true,
    providers: [...providers, { provide: APP_FILTER, useClass: MillraceErrorFilter }],
    exports: providers.map(({ provide }) => provide),
  };
}

/** Returns the resource table of a site, without a server. */
export async function resourcesOf(site: Site): Promise<ResourceTable> {
  const master = masterOf(site, new SiteHints(site), {}, []);
  const module = await Test.createTestingModule({ imports: [master, ResourcesModule] }).compile();
  return module.get(ResourceTable);
}

/** Starts the UI as `runMaster` does, with a bus inside the process. */
export async function startUi(
  site: Site,
  options: {
    bus?: BusState;
    pollIntervalMs?: number;
    port?: number;
    webFolder?: string;
    wsMax?: number;
    requestsPerSecond?: number;
    publicUrl?: string;
    /** The variables with the secrets of hooks and providers. */
    env?: Record<string, string>;
    /** What the configuration says about people. */
    policy?: { readonly www: CompiledWww };
  } = {},
): Promise<UiServer> {
  const { publicUrl = PUBLIC_URL } = options;
  const rule = listenerRule({ publicUrl });
  const hints = new SiteHints(site, options.bus);
  const warnings: unknown[] = [];
  const settings = {
    publicUrl,
    httpHost: '127.0.0.1',
    listenerRule: rule,
    wsMax: options.wsMax ?? 100,
    wsMaxPerAddress: 100,
    requestsPerSecond: options.requestsPerSecond ?? 0,
    requestsBurst: 3,
    pollIntervalMs: options.pollIntervalMs ?? 2000,
    hookKeepMs: 60_000,
    trustedProxies: ['127.0.0.5'],
    auditKeepMs: 60_000,
  };
  const builder = Test.createTestingModule({ imports: [masterOf(site, hints, settings, warnings), UiModule] });
  if (options.webFolder !== undefined) builder.overrideProvider(WEB_FOLDER).useValue(options.webFolder);
  builder.overrideProvider(HOOK_ENVIRONMENT).useValue(options.env ?? {});
  builder.overrideProvider(PROVIDER_ENVIRONMENT).useValue(options.env ?? {});
  if (options.policy !== undefined) builder.overrideProvider(AccessPolicy).useValue(options.policy);
  const app = (await builder.compile()).createNestApplication<NestFastifyApplication>(
    httpAdapter({ rule, ...UI_LISTENER }),
    { logger: ['error', 'warn'], abortOnError: false },
  );
  await app.listen(options.port ?? 0, '127.0.0.1');
  return {
    url: await app.getUrl(),
    published: hints.published,
    warnings,
    setBus: (state) => hints.become(state),
    metrics: () => app.get(Registry).metrics(),
    close: () => app.close(),
  };
}
