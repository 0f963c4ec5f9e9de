export { checkSchema, migrate, migrateDown, migrationStatus, type MigrationStatus } from './migrate.js';
export { type DatabaseUrl, isUniqueViolation, openDatabase, sqliteFile } from './open.js';
export { chunked, type Database, databaseNowMs, type Dialect, placeholders, type Queryable, type Row, rowPlaceholders, type SqlValue, type Transaction, type Written } from './sql.js';
