import type { MigrationInterface, QueryRunner } from 'typeorm';

const PASSWORD_HASH = '"passwordHash"';

/** Removes the password hashes that earlier releases stored in revisions. Revisions only say that a worker has a password. */
export class NoPasswordHashes0006 implements MigrationInterface {
  name = 'NoPasswordHashes1700000000006';

  async up(queryRunner: QueryRunner): Promise<void> {
    // Overwrites deleted data instead of only unlinking it.
    if (queryRunner.dataSource.options.type === 'better-sqlite3') await queryRunner.query('PRAGMA secure_delete = ON');
    const rows = (await queryRunner.query(`SELECT id FROM revisions WHERE body LIKE ?`, [`%${PASSWORD_HASH}%`])) as {
      id: number;
    }[];
    // One at a time: each may be megabytes.
    for (const { id } of rows) {
      const [row] = (await queryRunner.query(`SELECT body FROM revisions WHERE id = ?`, [id])) as { body: string }[];
      await queryRunner.query(`UPDATE revisions SET body = ? WHERE id = ?`, [withoutHashes(row!.body), id]);
    }
  }

  /** Removed hashes cannot be restored, and nothing ever read them. */
  async down(): Promise<void> {}
}

function withoutHashes(body: string): string {
  const revision = JSON.parse(body) as { workers?: readonly { readonly passwordHash?: string }[] };
  const workers = (revision.workers ?? []).map(({ passwordHash, ...worker }) =>
    passwordHash === undefined ? worker : { ...worker, hasPassword: passwordHash !== '' },
  );
  return JSON.stringify({ ...revision, workers });
}
