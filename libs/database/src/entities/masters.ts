import { Entity, Index, Unique } from 'typeorm';
import { Big, Id, Key, Name, Text } from './columns.js';

/** A master by its name, with its current or last life. */
@Entity('masters')
@Unique('name', ['name'])
export class MasterEntity {
  @Id() id: number;
  @Name() name: string;
  /** `scheduler`, `engine`, `ui`. */
  @Key(16) role: 'scheduler' | 'engine' | 'ui';
  @Key(190) host: string;
  @Big() pid: number;
  @Key(32) version: string;
  /** Increases with each life. Claims and ownerships refer to it. */
  @Big() epoch: number;
  /** `active`, `draining`, `stopped`. */
  @Key(16) state: 'active' | 'draining' | 'stopped';
  /** When this life began, in ms since 1970. */
  @Big() startedAtMs: number;
  /** When the lease was renewed last, in ms since 1970. */
  @Big() lastActiveAtMs: number;
  /** End of the lease, in ms since 1970 by the database's clock; 0 when given up. */
  @Big() leaseUntilMs: number;
  /** Length of the lease, in ms. */
  @Big() leaseMs: number;
  /** The configuration that the master runs (`revisions`); null before the first. */
  @Big({ nullable: true }) revisionId: number | null;
  /** Fingerprint of its configuration file as it read it last, which need not be in force; null for a UI and for earlier releases. */
  @Key(64, { nullable: true }) fileFingerprint: string | null;
  /** Why it does not have the earlier revision that should be in force; null when all is well. */
  @Text({ nullable: true }) missing: string | null;
}

/** The last write of a master's journal. */
@Entity('journals')
export class JournalEntity {
  @Big({ primary: true }) masterId: number;
  @Big() masterEpoch: number;
  /** Number of the journal's last transaction, counted from 1 in each life. */
  @Big() groupNumber: number;
}

/** The master on which a scheduler, poller, hook or reporter is active. */
@Entity('ownerships')
export class OwnershipEntity {
  /** `scheduler:NAME`, `poller:NAME`, `hook:NAME`, `service:NAME`. */
  @Name({ primary: true }) name: string;
  @Big() masterId: number;
  @Big() masterEpoch: number;
  /** Increases with each owner. It guards the owner's writes. */
  @Big() epoch: number;
  /** When this owner took it, in ms since 1970. */
  @Big() sinceMs: number;
}

/** A request to a master. */
@Entity('master_commands')
@Index('master_commands_open', ['doneAtMs', 'id'])
export class MasterCommandEntity {
  @Id() id: number;
  @Big({ nullable: true }) masterId: number | null;
  /** `stop-build`, `reconfig`, `drain`, `poll`. */
  @Key(32) kind: 'stop-build' | 'reconfig' | 'drain' | 'poll';
  /** The build, for `stop-build`; 0 otherwise. */
  @Big() subjectId: number;
  /** JSON: `{ "reason": … }` for `stop-build`, `{ "source": … }` for `poll`. */
  @Text() args: string;
  /** In ms since 1970. */
  @Big() createdAtMs: number;
  /** In ms since 1970; null while open. */
  @Big({ nullable: true }) doneAtMs: number | null;
  /** The result, as text. */
  @Text({ nullable: true }) result: string | null;
}

/** A number that is incremented under a row lock: `change-seq`, `worker-tokens`. */
@Entity('counters')
export class CounterEntity {
  @Key(64, { primary: true }) name: string;
  @Big() value: number;
}
