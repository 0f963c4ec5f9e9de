import { createPool, type Pool, type PoolConnection, type RowDataPacket } from 'mysql2';
import { DataSource, type DataSourceOptions, type ObjectLiteral } from 'typeorm';
import { MysqlDriver } from 'typeorm/driver/mysql/MysqlDriver.js';
import { numericIds } from './generated-ids.js';

const KEEP_ALIVE_AFTER_MS = 10_000;

/**
 * Settings of our sessions. With other settings of the server values might be cut silently, or the clock of the leases might jump in
 * autumn.
 */
const SESSION = [
  `SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED`,
  `SET SESSION sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION', SESSION time_zone = '+00:00'`,
  // On MariaDB (MySQL cannot): a process that stands still in the middle of a transaction loses it, and its row locks with it.
  `SET SESSION innodb_lock_wait_timeout = 20 /*M! , SESSION idle_transaction_timeout = 10 */`,
];

/** TypeORM's DataSource of a MySQL or MariaDB server, with at most `connections` connections. */
export class PoolDataSource extends DataSource {
  declare driver: PoolDriver;

  constructor(url: string, connections: number, options: Omit<DataSourceOptions, 'type' | 'url'>) {
    const uri = url.replace(/^mariadb:/, 'mysql:');
    super({ ...options, type: url.startsWith('mariadb:') ? 'mariadb' : 'mysql', url: uri } as DataSourceOptions);
    this.driver = new PoolDriver(this, uri, connections);
  }
}

/**
 * TypeORM's driver with a pool of ours that connects on demand. TypeORM's own pool fails to open when the server cannot be reached, but a
 * master waits for the server.
 */
export class PoolDriver extends MysqlDriver {
  declare pool: Pool;
  /** Whether the server takes several statements as one (`BEGIN NOT ATOMIC`), as MariaDB does. False until it is known. */
  takesCompounds = false;

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
      // For `MysqlTransaction`. Values are always escaped before they become SQL.
      multipleStatements: true,
      enableKeepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_AFTER_MS,
    });
    this.pool.on('connection', (connection) => {
      for (const setting of SESSION) connection.query(setting);
      connection.query<RowDataPacket[]>('SELECT 0 /*M! + 1 */ AS isMariaDb', (error, rows) => {
        if (!error) this.takesCompounds = rows[0]?.['isMariaDb'] === 1;
      });
    });
  }

  /** Returns a connection of the pool, for the caller alone until it releases it. */
  acquire(): Promise<PoolConnection> {
    return new Promise((resolve, reject) => {
      this.pool.getConnection((error, connection) => (error ? reject(error) : resolve(connection)));
    });
  }

  override createGeneratedMap(
    ...[metadata, ...result]: Parameters<MysqlDriver['createGeneratedMap']>
  ): ObjectLiteral | undefined {
    return numericIds(metadata, super.createGeneratedMap(metadata, ...result));
  }
}
