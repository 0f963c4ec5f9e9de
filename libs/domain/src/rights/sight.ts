import { NO_PROJECT, type VisibilityPolicy, visibleProjects } from './visibility.js';

/** What belongs to projects: the rows and names by which everything else leads to one. */
export interface Belongings extends VisibilityPolicy {
  readonly builders: readonly { readonly id: number; readonly name: string; readonly projectId: number | null }[];
  /** The builders of each worker. */
  readonly workers: ReadonlyMap<number, { readonly name: string; readonly builderIds: readonly number[] }>;
  /** Names of the builders of each scheduler in the configuration. */
  readonly schedulers: ReadonlyMap<string, readonly string[]>;
  /** The project of the changes of each change source and hook; null for one that each delivery names. */
  readonly changeSources: ReadonlyMap<string, string>;
  readonly hooks: ReadonlyMap<string, string | null>;
}

/**
 * What somebody sees who does not see every project. What it does not know, such as a builder that was configured a moment ago, is not seen.
 * Whoever sees everything has no sight, so that nothing is asked.
 */
export class Sight {
  /** Equal for all who see the same projects. */
  readonly key: string;
  /** Ids of the visible projects; `NO_PROJECT` stands for none. */
  readonly projectIds: readonly number[];
  private readonly projects: ReadonlySet<number>;
  private readonly projectsByName: ReadonlyMap<string, number>;
  private readonly builders = new Set<number>();
  private readonly builderNames = new Set<string>();

  private constructor(
    private readonly belongings: Belongings,
    projectIds: readonly number[],
  ) {
    this.projectIds = projectIds;
    this.key = projectIds.join(',');
    this.projects = new Set(projectIds);
    this.projectsByName = new Map(belongings.projects.map(({ id, name }) => [name, id]));
    for (const { id, name, projectId } of belongings.builders) {
      if (!this.projects.has(projectId ?? NO_PROJECT)) continue;
      this.builders.add(id);
      this.builderNames.add(name);
    }
  }

  /** Returns the sight of somebody with these roles; null when nothing is hidden. */
  static of(belongings: Belongings, roles: ReadonlySet<string>): Sight | null {
    const projectIds = visibleProjects(belongings, roles);
    return projectIds === null ? null : new Sight(belongings, projectIds);
  }

  get builderIds(): readonly number[] {
    return [...this.builders];
  }

  seesProject(id: number): boolean {
    return this.projects.has(id);
  }

  /** @param name the project of a change or source stamp. One that is not configured is none. */
  seesProjectNamed(name: string): boolean {
    return this.projects.has(this.projectsByName.get(name) ?? NO_PROJECT);
  }

  seesBuilder(id: number): boolean {
    return this.builders.has(id);
  }

  seesBuilderNamed(name: string): boolean {
    return this.builderNames.has(name);
  }

  /** A worker is seen with one of its builders. */
  seesWorker(id: number): boolean {
    return this.belongings.workers.get(id)?.builderIds.some((builder) => this.builders.has(builder)) ?? false;
  }

  seesWorkerNamed(name: string): boolean {
    for (const [id, worker] of this.belongings.workers) if (worker.name === name) return this.seesWorker(id);
    return false;
  }

  /** A scheduler is seen with one of its builders. */
  seesScheduler(name: string): boolean {
    return this.belongings.schedulers.get(name)?.some((builder) => this.builderNames.has(builder)) ?? false;
  }

  seesChangeSource(name: string): boolean {
    const project = this.belongings.changeSources.get(name);
    return project !== undefined && this.seesProjectNamed(project);
  }

  /** Names of the hooks whose changes are all of visible projects. */
  get hookNames(): readonly string[] {
    return [...this.belongings.hooks].flatMap(([name, project]) =>
      project !== null && this.seesProjectNamed(project) ? [name] : [],
    );
  }

  /** Names by which a change's project is told: those that are visible, or when what has no project is seen, those that are not. */
  get changeProjects(): { readonly are: 'visible' | 'hidden'; readonly names: readonly string[] } {
    const seesOthers = this.projects.has(NO_PROJECT);
    const names = [...this.projectsByName].flatMap(([name, id]) =>
      this.projects.has(id) === seesOthers ? [] : [name],
    );
    return { are: seesOthers ? 'hidden' : 'visible', names };
  }
}
