import type { BuilderResource, MasterResource, ProjectResource, WorkerResource } from '@millrace/contracts';
import { useQuery } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext, useMemo } from 'react';
import { fetchSiteConfig, type Right, type SiteConfig, type User } from './api';
import { feed } from './client';
import type { Fed } from './feed';
import { useLive } from './live';
import { differencesOf } from './names';
import { allMasters } from './queries';

/** Data that every page needs: the names of builders, workers and so on. */
export interface Site {
  readonly title: string;
  readonly version: string;
  readonly bus: SiteConfig['bus'];
  /** Null until it is known. */
  readonly user: User | null;
  readonly signIn: SiteConfig['sign_in'];
  /** Whether the user may read. */
  readonly mayRead: boolean;
  readonly refused: SiteConfig['refused'];
  readonly builders: ReadonlyMap<number, BuilderResource>;
  readonly workers: ReadonlyMap<number, WorkerResource>;
  readonly masters: ReadonlyMap<number, MasterResource>;
  readonly projects: ReadonlyMap<number, ProjectResource>;
  /** Where names begin to differ: see `differencesOf`. */
  readonly builderDifferences: ReadonlyMap<string, number>;
  readonly workerDifferences: ReadonlyMap<string, number>;
  /** False until the names are known. */
  readonly ready: boolean;
}

const NO_WAY_IN: SiteConfig['sign_in'] = { passwords: false, providers: [] };

const SiteContext = createContext<Site | null>(null);

export function useSite(): Site {
  return useContext(SiteContext)!;
}

/** Returns why the user may do this nowhere; null when it may be possible. */
export function useRefusal(right: Right): string | null {
  return useSite().refused[right] ?? null;
}

const configFed: Fed<SiteConfig> = {
  topics: ['bus'],
  merge: (config, messages) => ({ ...config, ...(messages.at(-1) as Pick<SiteConfig, 'bus'>) }),
};

export function SiteProvider({ children }: { children: ReactNode }): ReactNode {
  const { data: config } = useQuery({
    queryKey: ['/config'],
    queryFn: (context) => feed.fetch(context, () => fetchSiteConfig(context.signal)),
    // Retried after every error, because no page works without this data.
    retry: true,
    meta: { fed: configFed },
  });
  const builders = useLive<BuilderResource>({
    path: 'builders?order=name',
    plural: 'builders',
    id: (builder) => builder.builderid,
    topics: ['builders/*/update'],
    compare: (a, b) => a.name.localeCompare(b.name),
  });
  const workers = useLive<WorkerResource>({
    path: 'workers?order=name',
    plural: 'workers',
    id: (worker) => worker.workerid,
    topics: ['workers/*/*'],
    compare: (a, b) => a.name.localeCompare(b.name),
  });
  const masters = useLive<MasterResource>(allMasters);
  const projects = useLive<ProjectResource>({
    path: 'projects?order=name',
    plural: 'projects',
    id: (project) => project.projectid,
    topics: [],
  });
  const builderDifferences = useDifferences(builders.items);
  const workerDifferences = useDifferences(workers.items);

  const site = useMemo<Site>(
    () => ({
      title: config?.title ?? 'Millrace',
      version: config?.versions[0]?.[1] ?? '',
      bus: config?.bus ?? 'connected',
      user: config?.user ?? null,
      signIn: config?.sign_in ?? NO_WAY_IN,
      mayRead: config?.user_any_access_allowed ?? true,
      refused: config?.refused ?? {},
      builders: new Map(builders.items?.map((builder) => [builder.builderid, builder])),
      workers: new Map(workers.items?.map((worker) => [worker.workerid, worker])),
      masters: new Map(masters.items?.map((master) => [master.masterid, master])),
      projects: new Map(projects.items?.map((project) => [project.projectid, project])),
      builderDifferences,
      workerDifferences,
      ready: builders.items !== null && workers.items !== null && projects.items !== null && masters.items !== null,
    }),
    [config, builders.items, workers.items, masters.items, projects.items, builderDifferences, workerDifferences],
  );
  return <SiteContext value={site}>{children}</SiteContext>;
}

/** Returns where names differ. Recomputed when a name is added or removed, not at every event. */
function useDifferences(items: readonly { readonly name: string }[] | null): ReadonlyMap<string, number> {
  const names = items?.map(({ name }) => name).join('\n') ?? '';
  return useMemo(() => differencesOf(names.split('\n')), [names]);
}
