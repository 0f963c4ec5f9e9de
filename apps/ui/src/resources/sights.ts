import { Inject, Injectable } from '@nestjs/common';
import { BelongingReads, CatalogReads } from '@millrace/database';
import { ANYONE, type Belongings, rolesOf, Sight } from '@millrace/domain';
import { LOG, type Logger, SETTINGS, type UiSettings } from '@millrace/master';
import { AccessPolicy } from '../access/access-policy.js';
import { ReadAtPolls } from '../access/read-at-polls.js';
import { type Caller, personOf } from './caller.js';

/** Says what callers see: which projects there are, what belongs to them and who sees them. Where no project is hidden from anybody, nothing is. */
@Injectable()
export class Sights extends ReadAtPolls {
  /** Null while nothing is hidden. */
  private belongings: Belongings | null = null;
  private byRoles = new Map<string, Sight | null>();
  private byCaller = new WeakMap<Caller, Sight | null>();

  constructor(
    private readonly reads: BelongingReads,
    private readonly catalog: CatalogReads,
    @Inject(AccessPolicy) private readonly policy: Pick<AccessPolicy, 'www'>,
    @Inject(SETTINGS) settings: Pick<UiSettings, 'pollIntervalMs'>,
    @Inject(LOG) log: Logger,
  ) {
    super('sights', settings, log);
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

  protected async read(): Promise<void> {
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
