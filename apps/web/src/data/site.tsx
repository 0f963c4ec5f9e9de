import type { BuilderResource, MasterResource, ProjectResource, WorkerResource } from '@millrace/contracts';
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react';
import { fetchSiteConfig, type SiteConfig } from './api';
import { useLive } from './live';
import { socket } from './socket';

/** What every page needs: names of things. */
export interface Site {
  readonly title: string;
  readonly version: string;
  readonly bus: SiteConfig['bus'];
  readonly builders: ReadonlyMap<number, BuilderResource>;
  readonly workers: ReadonlyMap<number, WorkerResource>;
  readonly masters: ReadonlyMap<number, MasterResource>;
  readonly projects: ReadonlyMap<number, ProjectResource>;
  /** False until the names are known. */
  readonly ready: boolean;
  readonly refetchMasters: () => void;
}

const SiteContext = createContext<Site | null>(null);

export function useSite(): Site {
  return useContext(SiteContext)!;
}

export function SiteProvider({ children }: { children: ReactNode }): ReactNode {
  const [config, setConfig] = useState<SiteConfig | null>(null);
  const [round, setRound] = useState(0);
  useEffect(() => {
    fetchSiteConfig().then(setConfig, () => setTimeout(() => setRound((n) => n + 1), 2000));
  }, [round]);
  useEffect(() => socket.onResync(() => setRound((n) => n + 1)), []);
  useEffect(
    () =>
      socket.consume('bus', (_key, message) => {
        const { bus } = message as Pick<SiteConfig, 'bus'>;
        setConfig((old) => old && { ...old, bus });
      }),
    [],
  );
  const builders = useLive<BuilderResource>({
    path: 'builders?order=name',
    plural: 'builders',
    id: (builder) => builder.builderid,
    topics: ['builders/*/*'],
    compare: (a, b) => a.name.localeCompare(b.name),
  });
  const workers = useLive<WorkerResource>({
    path: 'workers?order=name',
    plural: 'workers',
    id: (worker) => worker.workerid,
    topics: ['workers/*/*'],
    compare: (a, b) => a.name.localeCompare(b.name),
  });
  const masters = useLive<MasterResource>({
    path: 'masters',
    plural: 'masters',
    id: (master) => master.masterid,
    topics: ['masters/*/*'],
  });
  const projects = useLive<ProjectResource>({
    path: 'projects?order=name',
    plural: 'projects',
    id: (project) => project.projectid,
    topics: [],
  });

  const site = useMemo<Site>(
    () => ({
      title: config?.title ?? 'Millrace',
      version: config?.versions[0]?.[1] ?? '',
      bus: config?.bus ?? 'connected',
      builders: new Map(builders.items?.map((builder) => [builder.builderid, builder])),
      workers: new Map(workers.items?.map((worker) => [worker.workerid, worker])),
      masters: new Map(masters.items?.map((master) => [master.masterid, master])),
      projects: new Map(projects.items?.map((project) => [project.projectid, project])),
      ready: builders.items !== null && workers.items !== null && projects.items !== null && masters.items !== null,
      refetchMasters: masters.refetch,
    }),
    [config, builders.items, workers.items, masters.items, projects.items],
  );
  return <SiteContext value={site}>{children}</SiteContext>;
}
