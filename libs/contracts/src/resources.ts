import type { JsonValue, Properties, Uuid } from '@millrace/domain';

/**
 * The resources of `/api/v2` as they go over the wire: Buildbot's names and types (`docs/api.md#resources`), plus Millrace's own
 * fields after them. Times are integer seconds since the epoch, UTC; null while unset. Keys are written in alphabetical order.
 */
export interface MasterResource {
  active: boolean;
  host: string;
  last_active: number;
  /** Length of the lease in seconds. */
  lease_duration_s: number;
  /** Until when the master's claims count, unless it renews the lease. */
  lease_until: number;
  masterid: number;
  name: string;
  pid: number;
  /** Fingerprint of the configuration revision it works with; null before it has loaded one. */
  revision: string | null;
  role: string;
  started_at: number;
  /** `active`, `draining` or `stopped`; a master whose lease ran out is not `active: true` whatever this says. */
  state: string;
  version: string;
}

export interface BuilderResource {
  builderid: number;
  /** True when masters that are alive serve this builder with different configurations. */
  config_differs: boolean;
  description: string | null;
  description_format: string | null;
  description_html: string | null;
  latest_buildid: number | null;
  latest_green_buildid: number | null;
  latest_results: number | null;
  masterids: number[];
  name: string;
  projectid: number | null;
  tags: string[];
}

export interface BuildResource {
  /** 1 for the first attempt at the build request. */
  attempt: number;
  builderid: number;
  buildid: number;
  buildrequestid: number;
  complete: boolean;
  complete_at: number | null;
  locks_duration_s: number;
  masterid: number;
  number: number;
  properties: Properties;
  results: number | null;
  started_at: number;
  state_string: string;
  uuid: Uuid;
  workerid: number;
}

/** One change of engine of a build that went on (I9); Millrace's own. */
export interface AdoptionResource {
  /** Grows with each. */
  adoptionid: number;
  adopted_at: number;
  buildid: number;
  from_masterid: number;
  to_masterid: number;
}

export interface BuildRequestResource {
  /** How many builds were started for it. */
  attempts: number;
  builderid: number;
  buildrequestid: number;
  buildsetid: number;
  /** True once it is no longer in the queue. */
  claimed: boolean;
  claimed_at: number | null;
  claimed_by_masterid: number | null;
  complete: boolean;
  complete_at: number | null;
  priority: number;
  properties: Properties | null;
  /** Why it ended without (or in spite of) a build: cancelled by whom, given up after how many attempts. */
  reason: string | null;
  /** −1 while incomplete. */
  results: number;
  submitted_at: number;
  uuid: Uuid;
  waited_for: boolean;
}

export interface SourceStampResource {
  branch: string | null;
  codebase: string;
  created_at: number;
  patch: null;
  project: string;
  repository: string;
  revision: string | null;
  ssid: number;
}

export interface BuildsetResource {
  bsid: number;
  complete: boolean;
  complete_at: number | null;
  external_idstring: string | null;
  parent_buildid: number | null;
  parent_relationship: string | null;
  reason: string;
  rebuilt_buildid: number | null;
  /** −1 while incomplete. */
  results: number;
  scheduler: string;
  sourcestamps: SourceStampResource[];
  submitted_at: number;
  uuid: Uuid;
}

export interface ChangeResource {
  author: string;
  branch: string | null;
  category: string | null;
  changeid: number;
  codebase: string;
  comments: string;
  committer: string | null;
  files: string[];
  parent_changeids: number[];
  project: string;
  properties: Properties;
  received_at: number;
  repository: string;
  revision: string | null;
  revlink: string;
  sourcestamp: SourceStampResource;
  when_timestamp: number;
}

export interface StepResource {
  buildid: number;
  complete: boolean;
  complete_at: number | null;
  hidden: boolean;
  locks_acquired_at: number | null;
  name: string;
  number: number;
  results: number | null;
  started_at: number | null;
  state_string: string;
  stepid: number;
  urls: { name: string; url: string }[];
}

export interface LogResource {
  complete: boolean;
  logid: number;
  name: string;
  num_lines: number;
  slug: string;
  stepid: number;
  type: string;
}

/** Whole lines, each ending in a newline; in logs of type `s` each begins with its stream's letter. */
export interface LogChunkResource {
  content: string;
  firstline: number;
  logid: number;
}

export interface WorkerResource {
  /** Where its newest connection came from. */
  address: string | null;
  configured_on: { builderid: number; masterid: number }[];
  /** Null while it is not connected. */
  connected_since: number | null;
  connected_to: { masterid: number }[];
  graceful: boolean;
  last_seen_at: number | null;
  max_builds: number;
  /** When the alarm was raised that it has been away for too long; null while there is none. */
  missing_since: number | null;
  name: string;
  pause_reason: string | null;
  paused: boolean;
  /** `msgpack` or `pb`. */
  protocol: string | null;
  quarantine_reason: string | null;
  /** Until when it gets no builds because it failed; null when it does. */
  quarantined_until: number | null;
  /** Why it is being shut down, or was killed. */
  shutdown_reason: string | null;
  /** That of the worker's software. */
  version: string | null;
  workerid: number;
  workerinfo: { readonly [key: string]: JsonValue };
}

export interface SchedulerResource {
  /** Changes that came while it was switched off or in no configuration, and that it has not decided about; counted as far as 1000. */
  backlog: number;
  enabled: boolean;
  kind: string;
  master: MasterResource | null;
  name: string;
  schedulerid: number;
}

export interface ChangeSourceResource {
  changesourceid: number;
  master: MasterResource | null;
  name: string;
}

export interface ProjectResource {
  active: boolean | null;
  description: string | null;
  description_format: string | null;
  description_html: string | null;
  name: string;
  projectid: number;
  slug: string;
}

/** One field of a force scheduler's form (`docs/api.md#force-forms`). */
export interface ForceFieldResource {
  autopopulate: null;
  choices?: readonly string[];
  columns?: number;
  cols?: number;
  default: JsonValue;
  fields?: readonly ForceFieldResource[];
  fullName: string | null;
  hide: boolean;
  label: string;
  layout?: 'simple' | 'vertical' | 'tabs';
  maxsize: number | null;
  multiple: boolean;
  name: string;
  need_email?: boolean;
  regex: null;
  required: boolean;
  rows?: number;
  size?: number;
  strict?: boolean;
  tablabel: string;
  tooltip: string;
  type: 'fixed' | 'text' | 'textarea' | 'int' | 'bool' | 'username' | 'list' | 'file' | 'nested';
}

export interface ForceSchedulerResource {
  all_fields: readonly ForceFieldResource[];
  builder_names: readonly string[];
  button_name: string;
  enabled: boolean;
  label: string;
  name: string;
}

/** What a build request waits for, and how far it has come. */
export interface WaitReasonResource {
  buildrequestid: number;
  /** Requests of the same builder that are to be built before it; counted up to 1000. */
  ahead: number | null;
  /** True when `ahead` stopped counting. */
  ahead_is_more: boolean;
  state: 'waiting' | 'building' | 'complete';
  /** A stable code: `no-engine`, `no-worker`, `workers-paused`, `workers-busy`, `next`, `building` or `complete`. */
  reason: string;
  /** The same for people. */
  text: string;
}
