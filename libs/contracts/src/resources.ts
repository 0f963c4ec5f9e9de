import type { JsonValue, Properties, RevisionCounts, RevisionDifference, Uuid } from '@millrace/domain';

/**
 * The resources of `/api/v2` as they go over the wire: Buildbot's names and types (`docs/api.md#resources`), followed by Millrace's own
 * fields. Times are integer seconds since the epoch, UTC; null while unset. Keys are written in alphabetical order.
 */
export interface MasterResource {
  active: boolean;
  host: string;
  last_active: number;
  /** Length of the lease in seconds. */
  lease_duration_s: number;
  /** Until when the master's claims are valid, unless it renews the lease. */
  lease_until: number;
  masterid: number;
  name: string;
  pid: number;
  /** Fingerprint of the configuration revision that the master works with; null before it has loaded one. */
  revision: string | null;
  role: string;
  started_at: number;
  /** `active`, `draining` or `stopped`. A master whose lease has run out is not `active: true`, whatever this field says. */
  state: string;
  version: string;
}

export interface BuilderResource {
  builderid: number;
  /** True when live masters serve this builder with different configurations. */
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

/** One adoption of a build by another engine (I9). This resource is Millrace's own. */
export interface AdoptionResource {
  /** Grows with each adoption. */
  adoptionid: number;
  adopted_at: number;
  buildid: number;
  from_masterid: number;
  to_masterid: number;
}

export interface BuildRequestResource {
  /** Number of builds that were started for the request. */
  attempts: number;
  builderid: number;
  buildrequestid: number;
  buildsetid: number;
  /** True once the request is no longer in the queue. */
  claimed: boolean;
  claimed_at: number | null;
  claimed_by_masterid: number | null;
  /** The newer request that this one was collapsed into, which may be collapsed in turn. */
  collapsed_into_buildrequestid: number | null;
  complete: boolean;
  complete_at: number | null;
  priority: number;
  properties: Properties | null;
  /** Why the request ended without (or in spite of) a build: who cancelled it, or after how many attempts it was given up. */
  reason: string | null;
  /** −1 while incomplete. */
  results: number;
  submitted_at: number;
  uuid: Uuid;
  waited_for: boolean;
}

export interface PatchResource {
  author: string;
  /** Empty in lists of buildsets and source stamps, which it would make too long. */
  body: string;
  comment: string;
  level: number;
  patchid: number;
  subdir: string;
}

export interface SourceStampResource {
  branch: string | null;
  codebase: string;
  created_at: number;
  patch: PatchResource | null;
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
  /** The delivery of a hook that the change came with. */
  deliveryid: number | null;
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

/** What a forge delivered to a hook. */
/** Something that somebody did, or tried to do. This resource is Millrace's own. */
export interface AuditResource {
  /** Name of the command, such as `stop`. */
  action: string;
  address: string;
  at: number;
  auditid: number;
  /** Why it failed or was refused. */
  error: string | null;
  /** `begun` when its end was not recorded. */
  outcome: 'begun' | 'done' | 'failed' | 'refused';
  /** Parameters of the command. Of long ones there is only the `beginning`. */
  params: { readonly [name: string]: JsonValue };
  /** Path of the resource, such as `builds/42`. */
  target: string;
  tokenid: number | null;
  /** Null for a stranger. */
  username: string | null;
  via: 'session' | 'token' | 'cli' | 'none';
}

export interface DeliveryResource {
  /** How often it was read. */
  attempts: number;
  body_bytes: number;
  /** Null when the body is not kept any more, so that the delivery cannot be replayed. */
  body_kept_until: number | null;
  /** The user and the purpose of the API token that it came with; null for one that came without. */
  delivered_by: string | null;
  /** The forge's id of the delivery. */
  delivery_key: string;
  deliveryid: number;
  dialect: string;
  headers: Record<string, string>;
  hook: string;
  read_at: number | null;
  /** The release and revision that read it. */
  read_by: string | null;
  /** Why it made no changes. */
  reason: string | null;
  received_at: number;
  state: 'waiting' | 'done' | 'ignored' | 'failed';
}

/** A scheduler's decision about a change. */
export interface DecisionResource {
  /** The requests that it made. */
  buildrequests: { buildrequestid: number; uuid: Uuid; builderid: number; results: number | null }[];
  bsid: number | null;
  changeid: number;
  /** Null for a scheduler that was not asked, because it is disabled, or was. */
  decided_at: number | null;
  decision: 'built' | 'waiting' | 'ignored' | 'failed';
  reason: string | null;
  scheduler: string;
  schedulerid: number;
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

/** A part of a log. It has whole lines, each ending in a newline. In logs of type `s` each line begins with the letter of its stream. */
export interface LogChunkResource {
  content: string;
  firstline: number;
  logid: number;
}

/** A value that a step has stored with its build. Its content has an address of its own. */
export interface BuildDataResource {
  buildid: number;
  /** In bytes. */
  length: number;
  name: string;
  source: string;
  value: null;
}

/** A codebase whose commits are recorded. */
export interface CodebaseResource {
  codebaseid: number;
  name: string;
  projectid: number;
  slug: string;
}

export interface BranchResource {
  branchid: number;
  codebaseid: number;
  /** Its newest commit. */
  commitid: number;
  last_timestamp: number;
  name: string;
}

export interface CommitResource {
  author: string;
  codebaseid: number;
  comments: string;
  commitid: number;
  committer: string | null;
  /** Its first parent, where that is recorded. */
  parent_commitid: number | null;
  revision: string;
  when_timestamp: number;
}

/** How two commits go back to the newest one from which both come. */
export interface CommitGraphResource {
  common: number;
  /** The commits after it up to the first one, oldest first. */
  to1: number[];
  to2: number[];
}

export interface TestResultSetResource {
  builderid: number;
  buildid: number;
  category: string;
  complete: boolean;
  description: string | null;
  stepid: number;
  test_result_setid: number;
  tests_failed: number | null;
  tests_passed: number | null;
  value_unit: string;
}

export interface TestResultResource {
  builderid: number;
  duration_ns: number | null;
  line: number | null;
  /** What the test says about a failure. */
  message: string | null;
  test_code_path: string | null;
  test_name: string | null;
  test_result_setid: number;
  test_resultid: number;
  value: string;
}

export interface WorkerResource {
  /** Remote address of the worker's newest connection. */
  address: string | null;
  configured_on: { builderid: number; masterid: number }[];
  /** Null while the worker is not connected. */
  connected_since: number | null;
  connected_to: { masterid: number }[];
  graceful: boolean;
  last_seen_at: number | null;
  max_builds: number;
  /** When an alarm was raised because the worker was away for too long; null while there is none. */
  missing_since: number | null;
  name: string;
  pause_reason: string | null;
  paused: boolean;
  /** `msgpack` or `pb`. */
  protocol: string | null;
  quarantine_reason: string | null;
  /** Until when the worker gets no builds because it kept failing; null when it is not in quarantine. */
  quarantined_until: number | null;
  /** Why the worker is being shut down, or was killed. */
  shutdown_reason: string | null;
  /** Version of the worker's software. */
  version: string | null;
  workerid: number;
  workerinfo: { readonly [key: string]: JsonValue };
}

export interface SchedulerResource {
  /**
   * Number of changes that arrived while the scheduler was switched off or not configured, and about which it has not decided; counted up
   * to 1000.
   */
  backlog: number;
  /** When the last call came that the scheduler has not built, but builds when it is time; null when there is none. */
  called_at: number | null;
  enabled: boolean;
  kind: string;
  master: MasterResource | null;
  name: string;
  schedulerid: number;
  /** When the scheduler does something by itself, if nothing else happens; null for never. */
  wake_at: number | null;
}

export interface ChangeSourceResource {
  changesourceid: number;
  /** What is left out, or why the change source cannot be polled, as text. */
  error: string | null;
  /** The scheduler master that polls it. */
  master: MasterResource | null;
  name: string;
  /** `new`: not polled yet; `partial`: some of it is left out; `unpolled`: no scheduler polls it. */
  state: 'new' | 'ok' | 'partial' | 'failing' | 'unpolled';
  state_since: number | null;
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
  autopopulate: Readonly<Record<string, Readonly<Record<string, JsonValue>>>> | null;
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

/** Why a build request waits, and how far it has come. */
export interface WaitReasonResource {
  buildrequestid: number;
  /** Number of requests of the same builder that will be built before this one; counted up to 1000. */
  ahead: number | null;
  /** True when `ahead` stopped counting. */
  ahead_is_more: boolean;
  state: 'waiting' | 'building' | 'complete';
  /** A stable code: `no-builder`, `no-engine`, `no-worker`, `workers-paused`, `workers-busy`, `locks`, `next`, `building` or `complete`. */
  reason: string;
  /** The reason as text for people. */
  text: string;
}

/** Somebody who has a lock or waits for one. */
export interface LockPartyResource {
  /** Null for a request that no build was begun for. */
  build_number: number | null;
  builder_name: string;
  builderid: number;
  /** Null for a request that no build was begun for. */
  buildid: number | null;
  buildrequestid: number;
  count: number;
  mode: string;
  /** Number of the step; null for the build as a whole. */
  step_number: number | null;
  /** The worker whose lock it is; null for a lock of the whole cluster. */
  workerid: number | null;
}

/** A configuration that masters have read. This resource is Millrace's own. */
export interface RevisionResource {
  /** Numbers of what differs from the revision before it, by section; null for the first one. */
  changed: RevisionCounts | null;
  /** When a master read it for the first time. */
  created_at: number;
  fingerprint: string;
  /** Names of the masters that have it in force, or had it when they were last seen. */
  masters: readonly string[];
  revisionid: number;
}

/** An earlier revision, in force in place of what a configuration file says. This resource is Millrace's own. */
export interface RevertResource {
  fingerprint: string;
  /** Fingerprint of the file. When the file has another one at every living master, this ends. */
  instead_of: string;
  made_at: number;
  made_by: string;
  /** Names of the masters that have it in force. */
  masters: readonly string[];
  /** The masters that should have it and cannot, and why. */
  missing: readonly { readonly master: string; readonly why: string }[];
  revisionid: number | null;
}

/** What differs between two revisions, in one section of them. This resource is Millrace's own. */
export interface RevisionDifferenceResource {
  added: readonly string[];
  changed: RevisionDifference['changed'];
  /** What there is, where the lists are cut short. */
  counts: RevisionCounts[string];
  /** Differences that belong to nothing with a name. */
  lines: readonly string[];
  removed: readonly string[];
  section: string;
}

/** A lock. This resource is Millrace's own. */
export interface LockResource {
  /** Who has it. `resources`: the names of the resources taken. */
  holders: (LockPartyResource & { resources: string[]; taken_at: number })[];
  /** `lock`, `worker-lock` or `resources`. */
  kind: string;
  lockid: number;
  /** Most units at once. */
  max_count: number;
  max_count_for_worker: { readonly [worker: string]: number };
  name: string;
  resources: string[];
  /** Who waits for it, in the order of their asking. */
  waiters: (LockPartyResource & { since: number })[];
}
