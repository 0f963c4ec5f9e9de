import { type Cluster, eventually } from '@millrace/testing';
import { Api, type BuildRequest } from '../resources.js';
import type { CollapsingRequest, Slot } from './judge.js';

interface Buildset {
  readonly bsid: number;
  readonly complete: boolean;
  readonly reason: string;
  readonly scheduler: string;
  readonly sourcestamps: readonly { readonly revision: string | null }[];
}

interface Lock {
  readonly name: string;
  readonly holders: readonly object[];
  readonly waiters: readonly object[];
}

const PAGE = 200;
const PATIENCE_MS = 60_000;

/** What the API says of the things that no command of a build can write into the ledger. */
export class Observer {
  /** @param uis addresses of all UIs */
  constructor(
    private readonly cluster: Cluster,
    private readonly uis: readonly string[],
  ) {}

  /** Returns whether no request is left to be built, as every UI sees it. Builds by time are not counted: they never end. */
  async isIdle(): Promise<boolean> {
    try {
      const ticks = await new Api(this.cluster).builderId('tick');
      for (const url of this.uis) {
        const response = await fetch(`${url}/api/v2/buildrequests?complete=false&limit=${PAGE}`);
        const { buildrequests } = (await response.json()) as { buildrequests: BuildRequest[] };
        if (buildrequests.some(({ builderid }) => builderid !== ticks)) return false;
      }
      return true;
    } catch {
      // The UI may have been killed a moment ago. Whether it comes back is judged at the end.
      return false;
    }
  }

  /** Switches a scheduler off, so that no build is made by time any more. */
  async disable(name: string): Promise<void> {
    const { schedulers } = await this.cluster.api<{ schedulers: { name: string; schedulerid: number }[] }>(
      '/schedulers',
    );
    const { schedulerid } = schedulers.find((scheduler) => scheduler.name === name)!;
    await this.cluster.call(`/schedulers/${schedulerid}`, 'enable', { enabled: false });
  }

  /** Returns what is still under way or waited for, after a while in which it may come to its end. */
  async leftOver(): Promise<string[]> {
    let found: string[] = [];
    const isNothing = async (): Promise<boolean> => (found = await this.underWay()).length === 0;
    await eventually(isNothing, { timeoutMs: PATIENCE_MS, intervalMs: 200, what: 'the end of everything' }).catch(
      () => undefined,
    );
    return found;
  }

  private async underWay(): Promise<string[]> {
    const [{ buildrequests }, buildsets, { locks }, { deliveries }] = await Promise.all([
      this.cluster.api<{ buildrequests: BuildRequest[] }>(`/buildrequests?complete=false&limit=${PAGE}`),
      this.buildsets(),
      this.cluster.api<{ locks: Lock[] }>('/locks'),
      this.cluster.api<{ deliveries: { deliveryid: number; state: string }[] }>(
        `/deliveries?order=-deliveryid&limit=${PAGE}`,
      ),
    ]);
    return [
      ...buildrequests.map(({ buildrequestid }) => `request ${buildrequestid}`),
      ...buildsets.filter(({ complete }) => !complete).map(({ bsid }) => `buildset ${bsid}`),
      ...locks.flatMap(({ name, holders, waiters }) => [
        ...(holders.length > 0 ? [`${holders.length} who have the lock '${name}'`] : []),
        ...(waiters.length > 0 ? [`${waiters.length} who wait for the lock '${name}'`] : []),
      ]),
      ...deliveries.filter(({ state }) => state !== 'done').map(({ deliveryid }) => `delivery ${deliveryid}`),
    ];
  }

  /** Returns every build that a scheduler by time made. */
  async slots(scheduler: string): Promise<Slot[]> {
    const beginning = `scheduler '${scheduler}' at `;
    return (await this.buildsets())
      .filter(({ reason }) => reason.startsWith(beginning))
      .map(({ bsid, reason }) => ({ buildsetId: bsid, dueMs: Date.parse(reason.slice(beginning.length)) }));
  }

  /** Returns every request of a builder, with what it was collapsed into. */
  async collapsing(builder: string): Promise<CollapsingRequest[]> {
    const builderId = await new Api(this.cluster).builderId(builder);
    const revisions = new Map(
      (await this.buildsets()).map(({ bsid, sourcestamps }) => [bsid, sourcestamps[0]?.revision ?? '']),
    );
    const requests = await this.pages<BuildRequest>('buildrequests', `builderid=${builderId}`, 'buildrequestid');
    return requests.map(({ buildrequestid, buildsetid, collapsed_into_buildrequestid }) => ({
      requestId: buildrequestid,
      revision: revisions.get(buildsetid) ?? '',
      intoRequestId: collapsed_into_buildrequestid,
    }));
  }

  private buildsets(): Promise<Buildset[]> {
    return this.pages<Buildset>('buildsets', '', 'bsid');
  }

  private async pages<Row>(resource: string, filter: string, key: keyof Row & string): Promise<Row[]> {
    const rows: Row[] = [];
    for (;;) {
      const after = rows.length === 0 ? 0 : Number(rows.at(-1)![key]);
      const query = `${filter}&order=${key}&${key}__gt=${after}&limit=${PAGE}`.replace(/^&/, '');
      const page = await this.cluster.api<Record<string, Row[]>>(`/${resource}?${query}`);
      const more = page[resource]!;
      rows.push(...more);
      if (more.length < PAGE) return rows;
    }
  }
}
