import { Inject, Injectable } from '@nestjs/common';
import { BuildActionStore, HookDeliveryStore, RevertStore, WorkerActionStore } from '@millrace/database';
import type { Sight } from '@millrace/domain';
import { Hints } from '@millrace/master';
import { READS, type Reads } from '../reads.js';
import { adoptions } from './adoptions.js';
import { audit } from './audit.js';
import { builders } from './builders.js';
import { buildData } from './build-data.js';
import { buildrequests } from './buildrequests.js';
import { builds } from './builds.js';
import { buildsets } from './buildsets.js';
import { changes } from './changes.js';
import { changesources } from './changesources.js';
import { branches, codebases, commitGraphs, commits } from './codebases.js';
import { decisions, deliveries } from './deliveries.js';
import { forceschedulers } from './forceschedulers.js';
import { locks } from './locks.js';
import { logchunks } from './logchunks.js';
import { logs } from './logs.js';
import { masters } from './masters.js';
import { parts } from './parts.js';
import { type PathArgument, PathTable } from './path-table.js';
import { projects } from './projects.js';
import { propertyLists } from './property-lists.js';
import { properties } from './properties.js';
import type { BoundAction, Read, Resource, ResourcePorts } from './resource.js';
import { reverts, revisionDifferences, revisions } from './revisions.js';
import { rootlinks } from './rootlinks.js';
import { schedulers } from './schedulers.js';
import { Sights } from './sights.js';
import { sourcestamps } from './sourcestamps.js';
import { specs } from './specs.js';
import { steps } from './steps.js';
import { testResults, testResultSets } from './test-results.js';
import { waitReasons } from './wait-reasons.js';
import { Ways } from './ways.js';
import { workers } from './workers.js';

/** The meaning of a path of `/api/v2`. */
export interface Place {
  readonly resource: Resource;
  readonly read: Read;
  readonly actions: ReadonlyMap<string, BoundAction>;
  /** Names of the arguments, which say what they are of. */
  readonly argNames: readonly string[];
  readonly args: readonly PathArgument[];
}

/** The content of a hint: event `event` happened to row `id` of a resource, which is named by its plural. */
export interface RowEvent {
  readonly resource: string;
  readonly id: number;
  readonly event: string;
}

interface Topic {
  readonly resource: string;
  readonly segments: readonly string[];
}

/** The resources by path, topic of hints, and name. */
@Injectable()
export class ResourceTable {
  readonly resources: readonly Resource[];
  private readonly paths = new PathTable<Omit<Place, 'args'>>();
  private readonly ways: Ways;
  private readonly topics = new Map<string, Topic[]>();
  private readonly byPlural: ReadonlyMap<string, Resource>;

  constructor(
    @Inject(READS) reads: Reads,
    actions: BuildActionStore,
    workerActions: WorkerActionStore,
    deliveries: HookDeliveryStore,
    reverts: RevertStore,
    hints: Hints,
    sights: Sights,
  ) {
    const publish: ResourcePorts['publish'] = (hint) => hints.publish(hint);
    const sightOf: ResourcePorts['sightOf'] = (caller) => sights.of(caller);
    this.ways = new Ways(reads);
    this.resources = allResources({ reads, actions, workerActions, deliveries, reverts, sightOf, publish });
    this.byPlural = new Map(this.resources.map((resource) => [resource.shape.plural, resource]));
    for (const resource of this.resources) {
      for (const { path, read, actions } of resource.paths)
        this.paths.add(path, { resource, read, actions, argNames: this.ways.argumentsOf(path) });
      if (!resource.events) continue;
      const segments = resource.events.topic.split('.');
      const topic = { resource: resource.shape.plural, segments };
      this.topics.set(segments[0]!, [...(this.topics.get(segments[0]!) ?? []), topic]);
    }
  }

  /**
   * Finds the resource of a path.
   * @param path the part after `/api/v2/`, still percent-encoded
   */
  find(path: string): Place | null {
    const found = this.paths.find(path);
    if (found === null) return null;
    return { ...found.target, args: found.args };
  }

  /** Returns a place as somebody sees it: what is hidden from them has the arguments of what does not exist. */
  async seen(place: Place, sight: Sight | null): Promise<Place> {
    if (sight === null || place.args.length === 0) return place;
    return { ...place, args: await this.ways.seen(place.argNames, place.args, sight) };
  }

  named(plural: string): Resource | undefined {
    return this.byPlural.get(plural);
  }

  /** Returns the event of a topic; null for topics that the UI does not show (queues, commands). */
  eventOf(topic: string): RowEvent | null {
    const parts = topic.split('.');
    for (const { resource, segments } of this.topics.get(parts[0]!) ?? []) {
      if (segments.length !== parts.length) continue;
      if (!segments.every((segment, i) => segment[0] === ':' || segment === '*' || segment === parts[i])) continue;
      const id = Number(parts[segments.indexOf(':id')]);
      if (Number.isSafeInteger(id)) return { resource, id, event: parts.at(-1)! };
    }
    return null;
  }
}

/** Makes all resources. A new resource is a file beside these and a line here. */
function allResources(ports: ResourcePorts): Resource[] {
  const resources = [
    rootlinks(),
    ...[
      changes,
      decisions,
      deliveries,
      buildsets,
      sourcestamps,
      buildrequests,
      waitReasons,
      builds,
      adoptions,
      buildData,
      properties,
      propertyLists,
      steps,
      logs,
      logchunks,
      testResultSets,
      testResults,
      builders,
      workers,
      masters,
      schedulers,
      forceschedulers,
      changesources,
      projects,
      codebases,
      branches,
      commits,
      commitGraphs,
      locks,
      revisions,
      revisionDifferences,
      reverts,
      audit,
    ].map((define) => define(ports)),
    ...parts(),
  ];
  return [...resources, specs(resources)];
}
