import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  type OnModuleInit,
} from '@nestjs/common';
import { BelongingReads, CatalogReads } from '@millrace/database';
import { ANYONE, type Belongings, rolesOf, Sight } from '@millrace/domain';
import { LOG, type Logger, Loop, SETTINGS, type UiSettings } from '@millrace/master';
import { AccessPolicy } from '../access/access-policy.js';
import { type Caller, personOf } from './caller.js';

/**
 * Says what callers see. Which projects there are, what belongs to them and who sees them is read at start and then at every poll, so that no
 * request waits for it. Where no project is hidden from anybody, nothing is.
 */
@Injectable()
export class Sights implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  /** Null while nothing is hidden. */
  private belongings: Belongings | null = null;
  private byRoles = new Map<string, Sight | null>();
  private byCaller = new WeakMap<Caller, Sight | null>();
  private readonly loop: Loop;

  constructor(
    private readonly reads: BelongingReads,
    private readonly catalog: CatalogReads,
    @Inject(AccessPolicy) private readonly policy: Pick<AccessPolicy, 'www'>,
    @Inject(SETTINGS) { pollIntervalMs }: Pick<UiSettings, 'pollIntervalMs'>,
    @Inject(LOG) log: Logger,
  ) {
    this.loop = new Loop({ name: 'sights', everyMs: pollIntervalMs, round: () => this.read(), log });
  }

  /** Nobody is answered before it is known what is hidden. */
  async onModuleInit(): Promise<void> {
    await this.read();
  }

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.loop.stop();
  }

  /** Whether everybody sees everything. */
  get hideNothing(): boolean {
    return this.belongings === null;
  }

  /** Returns what a caller sees; null for everything. */
  of(caller: Caller): Sight | null {
    if (this.belongings === null) return null;
    let sight = this.byCaller.get(caller);
    if (sight === undefined) this.byCaller.set(caller, (sight = this.byRolesOf(caller, this.belongings)));
    return sight;
  }

  private byRolesOf(caller: Caller, belongings: Belongings): Sight | null {
    const roles = rolesOf(this.policy.www.authz?.roles ?? [], personOf(caller));
    const key = JSON.stringify([...roles].sort());
    let sight = this.byRoles.get(key);
    if (sight === undefined) this.byRoles.set(key, (sight = Sight.of(belongings, roles)));
    return sight;
  }

  private async read(): Promise<void> {
    const projects = await this.reads.projects();
    const { defaultVisibility } = this.policy.www;
    const isAnyHidden = defaultVisibility !== undefined || projects.some(({ visibleTo }) => visibleTo !== null);
    const policy = { projects, byDefault: defaultVisibility ?? [ANYONE] };
    const config = isAnyHidden ? ((await this.catalog.currentRevision())?.config ?? null) : null;
    this.belongings = isAnyHidden ? await this.reads.all(policy, config) : null;
    this.byRoles = new Map();
    this.byCaller = new WeakMap();
  }
}
