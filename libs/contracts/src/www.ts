import type { RightsPolicy } from '@millrace/domain';

/** How people sign in, what they may do, and which pages there are beside the web app. A part that is not configured is missing. */
export interface CompiledWww {
  readonly auth?: CompiledAuth;
  readonly authz?: RightsPolicy;
  /** Patterns of the roles that see projects which say nothing about it, and what has no project. Missing for everybody. */
  readonly defaultVisibility?: readonly string[];
  /** Folder with Buildbot's own frontend, on the machines of the UIs. */
  readonly stockFrontend?: string;
}

/** How people sign in, and how long they stay signed in. */
export interface CompiledAuth {
  /** Time without a request after which a session ends. */
  readonly idleMs: number;
  /** Time after which a session ends in any case. */
  readonly sessionMs: number;
  /** A proxy that says who people are. */
  readonly proxy?: CompiledProxy;
}

/** A proxy that signs people in, and says in headers of each request who it is. Names of headers are in lower case. */
export interface CompiledProxy {
  /** Addresses of the proxy. From everybody else the headers say nothing. */
  readonly from: readonly string[];
  readonly userHeader: string;
  readonly emailHeader: string | null;
  /** The header with the groups, with commas between. */
  readonly groupsHeader: string | null;
}
