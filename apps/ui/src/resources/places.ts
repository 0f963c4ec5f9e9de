import type { BuildRequestResource } from '@millrace/contracts';
import type { Properties } from '@millrace/domain';
import type { Reads } from '../reads.js';
import type { Place } from './caller.js';

/** Names of the properties that say who started a build. */
const OWNERS = ['owner', 'owners'];

/** Returns the builder and its project, by the builder's id. */
export async function placeOfBuilder({ catalog }: Reads, builderId: number): Promise<Place> {
  const [builder] = await catalog.builders([builderId]);
  if (!builder) return {};
  const project = (await catalog.projects({ tellActive: false })).find(
    ({ projectid }) => projectid === builder.projectid,
  );
  return { builder: builder.name, ...(project && { project: project.name }) };
}

/** Returns the places of a request: one for each branch that it builds. */
export async function placesOfRequest(reads: Reads, requestId: number): Promise<readonly Place[]> {
  const request = await reads.requests.one(requestId, OWNERS);
  return request === null ? [] : placesOf(reads, request);
}

/** Returns the places of a build: those of its request, on its worker. */
export async function placesOfBuild(reads: Reads, buildId: number): Promise<readonly Place[]> {
  const build = await reads.builds.one(buildId, []);
  if (build === null) return [];
  const [places, [worker]] = await Promise.all([
    placesOfRequest(reads, build.buildrequestid),
    reads.catalog.workers([build.workerid]),
  ]);
  return places.map((place) => ({ ...place, ...(worker && { worker: worker.name }) }));
}

async function placesOf(reads: Reads, request: BuildRequestResource): Promise<readonly Place[]> {
  const [builder, [buildset]] = await Promise.all([
    placeOfBuilder(reads, request.builderid),
    reads.buildsets.byIds([request.buildsetid]),
  ]);
  const place = { ...builder, owners: ownersIn(request.properties) };
  const branches = new Set(buildset?.sourcestamps.map(({ branch }) => branch) ?? []);
  if (branches.size === 0) return [place];
  return [...branches].map((branch) => ({ ...place, ...(branch !== null && { branch }) }));
}

/** Returns who started a build, by its properties. */
function ownersIn(properties: Properties | null): string[] {
  return OWNERS.flatMap((name) => properties?.[name]?.[0] ?? []).filter((owner) => typeof owner === 'string');
}
