import type { Cluster } from '@millrace/testing';

export interface Build {
  readonly buildid: number;
  readonly uuid: string;
  readonly builderid: number;
  readonly buildrequestid: number;
  readonly number: number;
  readonly attempt: number;
  readonly complete: boolean;
  readonly results: number | null;
  readonly started_at: number;
  readonly complete_at: number | null;
  readonly state_string: string;
  readonly properties: Readonly<Record<string, readonly [unknown, string]>>;
}

export interface BuildRequest {
  readonly buildrequestid: number;
  readonly buildsetid: number;
  readonly builderid: number;
  readonly complete: boolean;
  readonly claimed: boolean;
  readonly results: number;
  readonly uuid: string;
  readonly collapsed_into_buildrequestid: number | null;
}

export interface Step {
  readonly stepid: number;
  readonly number: number;
  readonly name: string;
  readonly results: number | null;
  readonly state_string: string;
}

const LINES_AT_ONCE = 20_000;

/** A typed client for the parts of the API that the tests read. */
export class Api {
  constructor(private readonly cluster: Cluster) {}

  async builds(query = 'order=-buildid&limit=100&property=*'): Promise<readonly Build[]> {
    return (await this.cluster.api<{ builds: Build[] }>(`/builds?${query}`)).builds;
  }

  async builderId(name: string): Promise<number> {
    const { builders } = await this.cluster.api<{ builders: { builderid: number }[] }>(
      `/builders/${encodeURIComponent(name)}`,
    );
    return builders[0]!.builderid;
  }

  async request(id: number | string): Promise<BuildRequest> {
    return (await this.cluster.api<{ buildrequests: BuildRequest[] }>(`/buildrequests/${id}`)).buildrequests[0]!;
  }

  async attempts(requestId: number): Promise<readonly Build[]> {
    return (await this.cluster.api<{ builds: Build[] }>(`/buildrequests/${requestId}/builds?order=buildid`)).builds;
  }

  async steps(buildId: number): Promise<readonly Step[]> {
    return (await this.cluster.api<{ steps: Step[] }>(`/builds/${buildId}/steps?order=number`)).steps;
  }

  /** Returns a log's lines without their stream letters. */
  async log(buildId: number, step: string, slug = 'stdio'): Promise<string[]> {
    const path = `/builds/${buildId}/steps/${step}/logs/${slug}/contents`;
    const lines: string[] = [];
    for (;;) {
      const page = `${path}?offset=${lines.length}&limit=${LINES_AT_ONCE}`;
      const { logchunks, meta } = await this.cluster.api<{
        logchunks: { content: string }[];
        meta: { has_more?: boolean };
      }>(page);
      const text = logchunks.map((chunk) => chunk.content).join('');
      const more = text.split('\n').slice(0, -1);
      for (const line of more) lines.push(line.slice(1));
      if (more.length < LINES_AT_ONCE && !meta.has_more) return lines;
    }
  }
}
