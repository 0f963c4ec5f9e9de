import type { LeadingResource } from '@millrace/database';
import { isUuid, type Sight } from '@millrace/domain';
import type { Reads } from '../reads.js';
import type { PathArgument } from './path-table.js';

/** How an argument of a path leads to a project. */
type Way =
  /** The argument before it has been asked, and this one is below. */
  | 'below'
  /** It belongs to no project, or there are no such rows. */
  | 'open'
  /** Only whoever sees everything sees it. */
  | 'closed'
  | { readonly number: (id: number, sight: Sight) => boolean | Promise<boolean> }
  | { readonly text: (text: string, sight: Sight) => boolean | Promise<boolean> };

/** Stands for a number and a text that no row has. */
const NOWHERE = { n: -1, s: '' } as const;

/**
 * The ways of all arguments of paths to a project. A hidden row's argument is replaced by one that no row has, so that whatever is done with
 * the path, the answer is that for a row which does not exist.
 */
export class Ways {
  private readonly ways: Readonly<Record<string, Way>>;

  constructor(reads: Reads) {
    this.ways = waysOf(reads);
  }

  /**
   * Returns the arguments of a path, each named by the collection before it: `builders/n:builderid`.
   * @throws Error for an argument without a way: a path that nobody has thought about must not be reachable
   */
  argumentsOf(pattern: string): string[] {
    const segments = pattern.split('/');
    return segments.flatMap((segment, index) => {
      if (segment[1] !== ':') return [];
      const name = `${segments[index - 1]}/${segment}`;
      if (!Object.hasOwn(this.ways, name)) throw new Error(`${pattern}: say in ways.ts how ${name} leads to a project`);
      return [name];
    });
  }

  /** Returns the arguments as somebody sees them who does not see everything. */
  async seen(names: readonly string[], args: readonly PathArgument[], sight: Sight): Promise<PathArgument[]> {
    return Promise.all(
      args.map(async (arg, index) =>
        (await isSeen(this.ways[names[index]!]!, arg, sight)) ? arg : typeof arg === 'number' ? NOWHERE.n : NOWHERE.s,
      ),
    );
  }
}

function isSeen(way: Way, arg: PathArgument, sight: Sight): boolean | Promise<boolean> {
  if (way === 'closed') return false;
  if (typeof way === 'string') return true;
  return 'number' in way ? way.number(arg as number, sight) : way.text(arg as string, sight);
}

function waysOf({ belongings, requests, buildsets, catalog, codebases }: Reads): Readonly<Record<string, Way>> {
  const byBuilder = (resource: LeadingResource) => async (id: number, sight: Sight) =>
    ((await belongings.buildersOf(resource, [id])).get(id) ?? []).some((builder) => sight.seesBuilder(builder));
  const byProject = (table: 'changes' | 'source_stamps') => async (id: number, sight: Sight) => {
    const project = await belongings.projectOf(table, id);
    return project !== null && sight.seesProjectNamed(project);
  };
  const byCodebase =
    (table: 'codebases' | 'codebase_branches' | 'codebase_commits') => async (id: number, sight: Sight) => {
      const project = await codebases.projectOf(table, id);
      return project !== null && sight.seesProject(project);
    };
  const byUuid =
    (ids: typeof requests | typeof buildsets, resource: LeadingResource) => async (uuid: string, sight: Sight) => {
      const id = isUuid(uuid) ? await ids.idOf(uuid) : null;
      return id !== null && byBuilder(resource)(id, sight);
    };
  return {
    'builders/n:builderid': { number: (id, sight) => sight.seesBuilder(id) },
    'builders/s:buildername': { text: (name, sight) => sight.seesBuilderNamed(name) },
    'builds/n:buildid': { number: byBuilder('builds') },
    'builds/n:build_number': 'below',
    'builds/n:number': 'below',
    'steps/n:stepid': { number: byBuilder('steps') },
    'steps/n:step_number': 'below',
    'steps/s:step_name': 'below',
    'logs/n:logid': { number: byBuilder('logs') },
    'logs/s:log_slug': 'below',
    'buildrequests/n:buildrequestid': { number: byBuilder('buildrequests') },
    'buildrequests/s:uuid': { text: byUuid(requests, 'buildrequests') },
    'buildsets/n:bsid': { number: byBuilder('buildsets') },
    'buildsets/s:uuid': { text: byUuid(buildsets, 'buildsets') },
    'changes/n:changeid': { number: byProject('changes') },
    'sourcestamps/n:ssid': { number: byProject('source_stamps') },
    'deliveries/n:deliveryid': {
      number: async (id, sight) => sight.hookNames.includes((await belongings.hookOf(id)) ?? ''),
    },
    'workers/n:workerid': { number: (id, sight) => sight.seesWorker(id) },
    'workers/s:name': { text: (name, sight) => sight.seesWorkerNamed(name) },
    'projects/n:projectid': { number: (id, sight) => sight.seesProject(id) },
    'projects/s:projectname': { text: (name, sight) => sight.seesProjectNamed(name) },
    'schedulers/n:schedulerid': {
      number: async (id, sight) => {
        const scheduler = (await catalog.schedulers()).find(({ schedulerid }) => schedulerid === id);
        return scheduler !== undefined && sight.seesScheduler(scheduler.name);
      },
    },
    'forceschedulers/s:schedulername': { text: (name, sight) => sight.seesScheduler(name) },
    'changesources/n:changesourceid': {
      number: async (id, sight) => {
        const source = (await catalog.changeSources()).find(({ changesourceid }) => changesourceid === id);
        return source !== undefined && sight.seesChangeSource(source.name);
      },
    },
    'masters/n:masterid': 'open',
    'locks/n:lockid': 'open',
    'revisions/n:revisionid': 'closed',
    'from/n:from_revisionid': 'closed',
    'audit/n:auditid': 'closed',
    'data/s:build_data_name': 'below',
    'test_result_sets/n:test_result_setid': { number: byBuilder('test_result_sets') },
    'codebases/n:codebaseid': { number: byCodebase('codebases') },
    'codebases/s:codebasename': 'below',
    'branches/n:branchid': { number: byCodebase('codebase_branches') },
    'commits/n:commitid': { number: byCodebase('codebase_commits') },
    'commit_range/n:commitid1': 'below',
    'n:commitid1/n:commitid2': 'below',
    'commits_by_revision/s:revision': 'below',
  };
}
