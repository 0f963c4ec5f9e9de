import { createPool, type Pool } from 'mysql2';
import type { Pool as PromisePool } from 'mysql2/promise';
import { DataSource, type DataSourceOptions, type ObjectLiteral } from 'typeorm';
import { MysqlDriver } from 'typeorm/driver/mysql/MysqlDriver.js';
import { numericIds } from './generated-ids.js';

const KEEP_ALIVE_AFTER_MS = 10_000;

/** The server's own settings might be others, and would cut values off silently or let the clock of the leases jump in autumn. */
const SESSION = [
  `SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED`,
  `SET SESSION sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', SESSION time_zone = '+00:00'`,
  // On MariaDB (MySQL cannot): a process that stands still in the middle of a transaction loses it, and its row locks with it.
  `SET SESSION innodb_lock_wait_timeout = 20 /*M! , SESSION idle_transaction_timeout = 10 */`,
];

/** TypeORM's DataSource of a MySQL or MariaDB server, `connections` at the most. */
export class PoolDataSource extends DataSource {
  declare driver: PoolDriver;

  constructor(url: string, connections: number, options: Omit<DataSourceOptions, 'type' | 'url'>) {
    const uri = url.replace(/^mariadb:/, 'mysql:');
    super({ ...options, type: url.startsWith('mariadb:') ? 'mariadb' : 'mysql', url: uri } as DataSourceOptions);
    this.driver = new PoolDriver(this, uri, connections);
  }
}

/** TypeORM's driver with a pool of ours, which connects when it is asked to: TypeORM's own has to reach the server before it is one, and a master waits for it. */
export class PoolDriver extends MysqlDriver {
  declare pool: Pool;
  /** The same, for those who wait. */
  connections: PromisePool;

  constructor(
    dataSource: DataSource,
    private readonly uri: string,
    private readonly mostConnections: number,
  ) {
    super(dataSource);
  }

  override async connect(): Promise<void> {
    this.pool = createPool({
      uri: this.uri,
      connectionLimit: this.mostConnections,
      timezone: 'Z',
      charset: 'utf8mb4_bin',
      flags: ['FOUND_ROWS'],
      // For `MysqlTransaction`; values never become SQL without being escaped.
      multipleStatements: true,
      enableKeepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_AFTER_MS,
    });
    this.connections = this.pool.promise();
    this.pool.on('connection', (connection) => {
      for (const setting of SESSION) connection.query(setting);
    });
  }

  override createGeneratedMap(
    ...[metadata, ...result]: Parameters<MysqlDriver['createGeneratedMap']>
  ): ObjectLiteral | undefined {
    return numericIds(metadata, super.createGeneratedMap(metadata, ...result));
  }
}
