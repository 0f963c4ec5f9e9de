import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { OperationalError } from '@millrace/domain';

export interface ApiOptions {
  /** Of somebody who is signed in. Default: a stranger. */
  readonly token?: string;
  /** How long an answer may take; a connection that is cut is none either. Default: for ever. */
  readonly answerWithinMs?: number;
}

/** A client of Buildbot's `/api/v2`, which both systems speak. It keeps its connections open. */
export class Api {
  private readonly agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
  private readonly builderIds = new Map<string, number>();
  private lastRpc = 0;

  constructor(
    private readonly base: string,
    private readonly options: ApiOptions = {},
  ) {}

  /** @throws OperationalError `api` for an answer that is an error, `api-unanswered` */
  get<T>(path: string): Promise<T> {
    return this.request<T>('GET', path);
  }

  /** Returns milliseconds until a read was answered; Infinity when it was not answered in time. */
  async getMs(path: string): Promise<number> {
    const startedAt = performance.now();
    try {
      await this.get(path);
      return performance.now() - startedAt;
    } catch (error) {
      if (error instanceof OperationalError && error.code === 'api-unanswered') return Infinity;
      throw error;
    }
  }

  /**
   * Uses the builder's force scheduler.
   * @returns the buildset's id
   */
  async force(builder: string): Promise<number> {
    if (!this.builderIds.has(builder)) {
      const { builders } = await this.get<{ builders: { name: string; builderid: number }[] }>('/api/v2/builders');
      for (const { name, builderid } of builders) this.builderIds.set(name, builderid);
    }
    const params = { builderid: this.builderIds.get(builder), reason: 'bench' };
    const body = { jsonrpc: '2.0', method: 'force', id: ++this.lastRpc, params };
    const answer = await this.request<{ result: [number, unknown] }>('POST', '/api/v2/forceschedulers/force', body);
    return answer.result[0];
  }

  async isComplete(buildsetId: number): Promise<boolean> {
    const answer = await this.get<{ buildsets: { complete: boolean }[] }>(`/api/v2/buildsets/${buildsetId}`);
    return answer.buildsets[0]!.complete;
  }

  /**
   * Forces a build and polls every `everyMs`.
   * @returns milliseconds from the force to the answer that said complete
   */
  async forceAndWait(builder: string, everyMs: number): Promise<number> {
    const startedAt = performance.now();
    const buildsetId = await this.force(builder);
    while (!(await this.isComplete(buildsetId))) await delay(everyMs);
    return performance.now() - startedAt;
  }

  close(): void {
    this.agent.destroy();
  }

  private request<T>(method: string, path: string, body?: object): Promise<T> {
    const { token, answerWithinMs } = this.options;
    const signal = answerWithinMs === undefined ? undefined : AbortSignal.timeout(answerWithinMs);
    return new Promise((resolve, fail) => {
      const reject = (error: NodeJS.ErrnoException): void => {
        const isLate = signal?.aborted === true || (signal && error.code === 'ECONNRESET');
        const text = `${method} ${path}: no answer within ${answerWithinMs} ms`;
        fail(isLate ? new OperationalError('api-unanswered', text, { path }, { cause: error }) : error);
      };
      const headers = {
        ...{ accept: 'application/json', 'content-type': 'application/json' },
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      };
      const request = http.request(this.base + path, { method, agent: this.agent, headers, signal }, (response) => {
        const parts: Buffer[] = [];
        response.on('error', reject);
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => {
          const text = Buffer.concat(parts).toString();
          const status = response.statusCode ?? 0;
          if (status < 400) resolve(JSON.parse(text) as T);
          else reject(new OperationalError('api', `${method} ${path}: ${status} ${text.slice(0, 200)}`, { status }));
        });
      });
      request.on('error', (error: NodeJS.ErrnoException) => {
        // The server closed a kept connection just when it was used again: nothing was done.
        if (method === 'GET' && request.reusedSocket && error.code === 'ECONNRESET')
          resolve(this.request<T>(method, path));
        else reject(error);
      });
      request.end(body && JSON.stringify(body));
    });
  }
}
