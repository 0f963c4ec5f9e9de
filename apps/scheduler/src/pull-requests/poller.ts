import { Payload, PER_PAGE, type PullRequest, type PullRequestForge } from '@millrace/config';
import { type CompiledPullRequestSource, hints } from '@millrace/contracts';
import { type NewChange, type Ownership, ownershipName } from '@millrace/database';
import { FencedError, type JsonValue, propertiesFrom } from '@millrace/domain';
import type { CallbackCaller } from '../schedulers/judge.js';
import type { PollerPorts } from '../sources/poller-ports.js';
import type { SourceReport } from '../sources/source-reports.js';
import type { ForgeApi } from './forge-api.js';

/** Most pages that a poll asks for. */
const MAX_PAGES = 20;
/** Most pages of files that are asked for of a pull request. */
const MAX_FILE_PAGES = 10;
const BATCH = 200;
/** Prefix of the states that name the head of each open pull request that was looked at. */
const HEAD_STATE = 'pull:';

export interface PullRequestPollerOptions {
  readonly source: CompiledPullRequestSource;
  readonly forge: PullRequestForge;
  readonly api: ForgeApi;
  readonly call: CallbackCaller;
  readonly report: SourceReport;
}

interface Listed {
  readonly open: readonly { readonly request: PullRequest; readonly raw: unknown }[];
  readonly etag: string | null;
  readonly isComplete: boolean;
}

/**
 * Asks a forge for the open pull requests of one repository. A head becomes one change (I2): it is known by its number and revision, also
 * when it is seen again later. Active on one master at a time (I4).
 */
export class PullRequestPoller {
  /** The ownership and the list of the last poll that was stored. What was not stored is asked for again. */
  private last: { readonly epoch: number; readonly etag: string | null; readonly leftOut: string | null } | null = null;

  constructor(
    private readonly options: PullRequestPollerOptions,
    private readonly ports: PollerPorts,
  ) {}

  async poll(signal: AbortSignal): Promise<void> {
    const { report, source } = this.options;
    const { ownerships, me, lease } = this.ports;
    const owner = await ownerships.acquire(ownershipName.poller(source.name), me, lease.mayTakeOver());
    if (!owner) return report.leave();
    try {
      await report.polled(owner, await this.pollAs(owner, signal));
    } catch (error) {
      if (!signal.aborted && !(error instanceof FencedError)) await report.failed(owner, error);
    }
  }

  /**
   * Polls as the owner.
   * @returns what is left out; null for nothing
   */
  private async pollAs(owner: Ownership, signal: AbortSignal): Promise<string | null> {
    const last = this.last?.epoch === owner.epoch ? this.last : null;
    const listed = await this.list(last?.etag ?? null, signal);
    if (listed === null) return last?.leftOut ?? null;
    const { open, etag, isComplete } = listed;
    const known = await this.ports.intake.state<string>(owner.name);
    const fresh = open.filter(({ request: { number, head } }) => known.get(HEAD_STATE + number) !== head);
    const undecided: string[] = [];
    // Those that were touched last come first.
    const decided: { request: PullRequest; isBuilt: boolean }[] = [];
    for (const { request, raw } of fresh.toReversed()) {
      const answer = await this.isWanted(request, raw);
      if (typeof answer === 'boolean') decided.push({ request, isBuilt: answer });
      else undecided.push(`${request.number} (${answer.failed})`);
    }
    for (let i = 0; i < decided.length; i += BATCH) await this.store(owner, decided.slice(i, i + BATCH), signal);
    if (isComplete) await this.forget(owner, known, new Set(open.map(({ request }) => HEAD_STATE + request.number)));
    const leftOut = [
      isComplete ? null : `only the ${MAX_PAGES * PER_PAGE} pull requests that were touched last are looked at`,
      undecided.length === 0 ? null : `pullRequestFilter failed for pull request ${undecided.slice(0, 3).join(', ')}`,
    ].filter((text) => text !== null);
    const left = leftOut.length === 0 ? null : leftOut.join('; ');
    // What the callback could not decide is asked again, so the list must come again, too.
    this.last = { epoch: owner.epoch, etag: undecided.length === 0 ? etag : null, leftOut: left };
    return left;
  }

  /** Reads all pages before anything is stored. Returns null when nothing has changed. */
  private async list(etag: string | null, signal: AbortSignal): Promise<Listed | null> {
    const { source, forge, api } = this.options;
    const open = new Map<string, Listed['open'][number]>();
    let first: string | null = null;
    for (let page = 1; page <= MAX_PAGES; page++) {
      const answer = await api.list(forge.pageUrl(source, page), page === 1 ? etag : null, signal);
      if (answer === null) return null;
      if (page === 1) first = answer.etag;
      for (const raw of answer.items) {
        const request = forge.read(source, new Payload(raw));
        // One that is touched between two pages is on both.
        if (!open.has(request.number)) open.set(request.number, { request, raw });
      }
      if (answer.items.length < PER_PAGE) return { open: [...open.values()], etag: first, isComplete: true };
    }
    return { open: [...open.values()], etag: first, isComplete: false };
  }

  private async isWanted({ into }: PullRequest, raw: unknown): Promise<boolean | { readonly failed: string }> {
    const { branches, filter } = this.options.source;
    if (branches !== 'all' && !branches.includes(into)) return false;
    if (filter === null) return true;
    const answer = await this.options.call({ handle: filter, value: raw as JsonValue });
    return 'failed' in answer ? answer : Boolean(answer.value);
  }

  private async store(
    owner: Ownership,
    decided: readonly { readonly request: PullRequest; readonly isBuilt: boolean }[],
    signal: AbortSignal,
  ): Promise<void> {
    const { intake, hints: bus, log } = this.ports;
    const changes: NewChange[] = [];
    for (const { request } of decided.filter(({ isBuilt }) => isBuilt))
      changes.push(this.change(request, await this.filesOf(request, signal)));
    const state = new Map(decided.map(({ request: { number, head } }) => [HEAD_STATE + number, head]));
    const ids = await intake.addChanges(changes, { owner, state });
    for (const id of ids) bus.publish(hints.change(id));
    if (ids.length > 0) log.info({ source: this.options.source.name, changes: ids.length }, 'pull requests found');
  }

  /** Forgets pull requests that are not open any more. */
  private async forget(owner: Ownership, known: ReadonlyMap<string, string>, open: ReadonlySet<string>): Promise<void> {
    const gone = [...known.keys()].filter((name) => name.startsWith(HEAD_STATE) && !open.has(name));
    if (gone.length === 0) return;
    await this.ports.intake.addChanges([], { owner, state: new Map(gone.map((name) => [name, null])) });
  }

  /** Asks for the files of a pull request, as many as fit on the pages that are asked for. */
  private async filesOf({ number }: PullRequest, signal: AbortSignal): Promise<readonly string[]> {
    const { source, forge, api } = this.options;
    const files: string[] = [];
    for (let page = 1; source.files && page <= MAX_FILE_PAGES; page++) {
      const { items } = (await api.list(forge.filesUrl(source, number, page), null, signal))!;
      for (const item of items) files.push(forge.readFile(new Payload(item)));
      if (items.length < PER_PAGE) break;
    }
    return files;
  }

  private change({ number, head, change }: PullRequest, files: readonly string[]): NewChange {
    return {
      ...change,
      files,
      dedupKey: JSON.stringify(['pull', this.options.source.name, number, head]),
      whenMs: change.whenMs ?? Date.now(),
      properties: propertiesFrom(change.properties, 'Change'),
    };
  }
}
