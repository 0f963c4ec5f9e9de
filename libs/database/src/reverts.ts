import { UserError } from '@millrace/domain';
import type { RevertResource } from '@millrace/contracts';
import { command } from './actions/commands.js';
import { MasterEntity } from './entities/masters.js';
import { RevertEntity } from './entities/definitions.js';
import { type Incarnation, leasedSql } from './masters.js';
import { seconds } from './reads/history.js';
import { shapeOf } from './reads/query.js';
import type { Database, Transaction } from './sql.js';

export const REVERT_SHAPE = shapeOf<RevertResource>({
  plural: 'reverts',
  id: 'instead_of',
  fields: {
    fingerprint: 'string',
    instead_of: 'string',
    made_at: 'time',
    made_by: 'string',
    masters: 'strings',
    missing: 'json',
    revisionid: 'int?',
  },
});

/** A master that was asked to load its configuration again. */
export interface AskedMaster {
  readonly masterId: number;
  readonly name: string;
  readonly commandId: number;
}

/** How the configuration in force on a master relates to its file. */
export interface FileStanding {
  readonly fileFingerprint: string;
  /** Why the master does not have the earlier revision that should be in force; null when all is well. */
  readonly missing: string | null;
}

/**
 * Goings back to earlier revisions of the configuration. Each is a row: as long as a configuration file has this fingerprint, that revision
 * is in force in its place. It ends with the file, when no living master reads the old one any more.
 */
export class RevertStore {
  constructor(private readonly db: Database) {}

  /** Returns the fingerprint of the revision that is to be in force while a file has this one. It may be the same. */
  async inForceFor(fileFingerprint: string): Promise<string> {
    const row = await (await this.db.repository(RevertEntity)).findOneBy({ insteadOf: fileFingerprint });
    return row?.fingerprint ?? fileFingerprint;
  }

  /**
   * Puts an earlier revision in the place of what the files of the living schedulers and engines say, and asks these to load their
   * configuration again. Going back to what a file says ends what holds for it.
   * @throws UserError `not-found`, `no-masters`
   */
  revert(fingerprint: string, madeBy: string): Promise<AskedMaster[]> {
    return this.db.transaction(async (tx) => {
      const known = await tx.get(`SELECT id FROM revisions WHERE fingerprint = ?`, [fingerprint]);
      if (!known) throw new UserError('not-found', `there is no revision '${fingerprint.slice(0, 64)}'`);
      const files = await filesOfLiving(tx);
      const reverts = await tx.repository(RevertEntity);
      for (const insteadOf of files) {
        await reverts.delete({ insteadOf });
        if (insteadOf === fingerprint) continue;
        await reverts.insert({ insteadOf, fingerprint, madeBy, madeAtMs: () => tx.dialect.nowMs });
      }
      return await askAll(tx);
    });
  }

  /**
   * Ends the going back to a revision, or to whichever, and asks the living schedulers and engines to load their configuration again.
   * @throws UserError `not-reverted`
   */
  end(fingerprint?: string): Promise<AskedMaster[]> {
    return this.db.transaction(async (tx) => {
      const reverts = await tx.repository(RevertEntity);
      const ended = await reverts.find(fingerprint === undefined ? {} : { where: { fingerprint } });
      if (ended.length === 0)
        throw new UserError('not-reverted', 'nobody went back to an earlier revision: there is nothing to end');
      for (const { insteadOf } of ended) await reverts.delete({ insteadOf });
      return await askAll(tx);
    });
  }

  /** Records that a master stays with what it has, and why. */
  async report({ masterId }: Incarnation, { fileFingerprint, missing }: FileStanding): Promise<void> {
    await (await this.db.repository(MasterEntity)).update({ id: masterId }, { fileFingerprint, missing });
  }

  /** Returns those in force, and which masters have them. */
  async all(): Promise<RevertResource[]> {
    const rows = await this.db.all<RevertRow>(
      `SELECT v.instead_of AS insteadOf, v.fingerprint, v.made_by AS madeBy, v.made_at_ms AS madeAtMs, r.id AS revisionId
       FROM reverts v LEFT JOIN revisions r ON r.fingerprint = v.fingerprint ORDER BY v.made_at_ms, v.instead_of`,
    );
    if (rows.length === 0) return [];
    const masters = await this.db.all<MasterRow>(
      `SELECT m.name, m.file_fingerprint AS fileFingerprint, m.missing, m.revision_id AS revisionId
       FROM masters m WHERE m.file_fingerprint IS NOT NULL AND ${leasedSql(this.db, 'm')} ORDER BY m.name`,
    );
    return rows.map(({ insteadOf, fingerprint, madeBy, madeAtMs, revisionId }) => {
      const asked = masters.filter(({ fileFingerprint }) => fileFingerprint === insteadOf);
      return {
        fingerprint,
        instead_of: insteadOf,
        made_at: seconds(madeAtMs),
        made_by: madeBy,
        masters: asked.filter((master) => master.revisionId === revisionId).map(({ name }) => name),
        missing: asked.flatMap(({ name, missing }) => (missing === null ? [] : [{ master: name, why: missing }])),
        revisionid: revisionId,
      };
    });
  }
}

interface RevertRow {
  readonly insteadOf: string;
  readonly fingerprint: string;
  readonly madeBy: string;
  readonly madeAtMs: number;
  readonly revisionId: number | null;
}

interface MasterRow {
  readonly name: string;
  readonly fileFingerprint: string;
  readonly missing: string | null;
  readonly revisionId: number | null;
}

/** Ends what holds for files that no living master reads any more. To be called when a master has read its file. */
export async function endPastReverts(tx: Transaction, fileFingerprint: string): Promise<void> {
  await tx.defer(
    `DELETE FROM reverts WHERE instead_of <> ? AND NOT EXISTS
       (SELECT 1 FROM masters m WHERE m.file_fingerprint = reverts.instead_of AND ${leasedSql(tx, 'm')})`,
    [fileFingerprint],
  );
}

/** @throws UserError `no-masters` */
async function filesOfLiving(tx: Transaction): Promise<readonly string[]> {
  const rows = await tx.all<{ file: string }>(
    `SELECT DISTINCT m.file_fingerprint AS file FROM masters m WHERE m.file_fingerprint IS NOT NULL AND ${leasedSql(tx, 'm')}`,
  );
  if (rows.length === 0)
    throw new UserError(
      'no-masters',
      'no scheduler or engine is running: start one, so that it is known which configuration file the earlier revision stands in for',
    );
  return rows.map(({ file }) => file);
}

async function askAll(tx: Transaction): Promise<AskedMaster[]> {
  const masters = await tx.all<{ masterId: number; name: string }>(
    `SELECT m.id AS masterId, m.name FROM masters m WHERE m.role <> 'ui' AND ${leasedSql(tx, 'm')} ORDER BY m.id`,
  );
  const asked: AskedMaster[] = [];
  for (const { masterId, name } of masters) {
    asked.push({ masterId, name, commandId: await command(tx, masterId, { kind: 'reconfig' }) });
  }
  return asked;
}
