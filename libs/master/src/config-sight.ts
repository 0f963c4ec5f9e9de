import type { CompiledConfig } from '@millrace/contracts';
import { ANYONE, type Belongings, type Person, rolesOf, Sight } from '@millrace/domain';

/** What people see of a configuration. */
export class ConfigSight {
  /** Null while nothing is hidden from anybody. */
  private readonly belongings: Belongings | null;
  private readonly byRoles = new Map<string, Sight | null>();

  constructor(private readonly config: CompiledConfig) {
    const isAnyHidden =
      config.www?.defaultVisibility !== undefined || config.projects.some(({ visibleTo }) => visibleTo !== undefined);
    this.belongings = isAnyHidden ? belongingsOf(config) : null;
  }

  /**
   * Returns what somebody sees; null for everything.
   * @param person null for a stranger
   */
  of(person: Person | null): Sight | null {
    if (this.belongings === null) return null;
    const roles = rolesOf(this.config.www?.authz?.roles ?? [], person);
    const key = JSON.stringify([...roles].sort());
    let sight = this.byRoles.get(key);
    if (sight === undefined) this.byRoles.set(key, (sight = Sight.of(this.belongings, roles)));
    return sight;
  }
}

function belongingsOf({ projects, builders, schedulers, changeSources, hooks, www }: CompiledConfig): Belongings {
  // Only here these are ids: nothing of them leaves the sight.
  const ids = new Map(projects.map(({ name }, index) => [name, index + 1]));
  return {
    projects: projects.map(({ name, visibleTo = null }) => ({ id: ids.get(name)!, name, visibleTo })),
    byDefault: www?.defaultVisibility ?? [ANYONE],
    builders: builders.map(({ name, project }, index) => ({
      id: index + 1,
      name,
      projectId: project === null ? null : (ids.get(project) ?? null),
    })),
    workers: new Map(),
    schedulers: new Map(schedulers.map((one) => [one.name, one.builders])),
    changeSources: new Map(changeSources.map((one) => [one.name, one.project])),
    hooks: new Map(hooks.map((one) => [one.name, one.project])),
  };
}
