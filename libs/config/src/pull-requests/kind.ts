import type { CompiledPullRequestSource } from '@millrace/contracts';
import type { HookChange } from '../hooks/kind.js';
import type { Payload } from '../hooks/payload.js';
import type { ObjectReader } from '../object-reader.js';

/** A forge that lists open pull requests: where it does so, and what they mean. It is pure. */
export interface PullRequestForge {
  readonly name: CompiledPullRequestSource['kind'];
  readonly category: string;
  readonly apiUrl: string;
  /** Reads the name of the repository, and the options that only this forge has. */
  compile(reader: ObjectReader): Pick<CompiledPullRequestSource, 'path' | 'magicLink'>;
  /** Returns the address of a page of open pull requests, those first that were touched last. Pages begin with 1. */
  pageUrl(source: CompiledPullRequestSource, page: number): string;
  /** Returns the address of a page of the files that a pull request changes. Pages begin with 1. */
  filesUrl(source: CompiledPullRequestSource, number: string, page: number): string;
  /**
   * Reads a file of such a page.
   * @throws UserError `bad-delivery`
   */
  readFile(item: Payload): string;
  headers(token: string | null): Readonly<Record<string, string>>;
  /**
   * Reads a pull request of a page.
   * @throws UserError `bad-delivery`
   */
  read(source: CompiledPullRequestSource, item: Payload): PullRequest;
}

export interface PullRequest {
  readonly number: string;
  /** The revision that is to be built. */
  readonly head: string;
  /** The branch into which it goes. */
  readonly into: string;
  readonly change: HookChange;
}

/** Pull requests, or files, of a page. */
export const PER_PAGE = 100;
