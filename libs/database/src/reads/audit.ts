import type { AuditResource } from '@millrace/contracts';
import type { Queryable } from '../sql.js';
import { readHistory, seconds } from './history.js';
import type { HistoryTable } from './plan.js';
import { type Page, type ResourceQuery, shapeOf } from './query.js';

export const AUDIT: HistoryTable = {
  shape: shapeOf<AuditResource>({
    plural: 'audit',
    id: 'auditid',
    fields: {
      action: 'string',
      address: 'string',
      at: 'time',
      auditid: 'int',
      error: 'string?',
      outcome: 'string',
      params: 'json',
      target: 'string',
      tokenid: 'int?',
      username: 'string?',
      via: 'string',
    },
  }),
  from: { table: 'audit a' },
  id: 'a.id',
  leads: null,
  columns: { auditid: { sql: 'a.id' }, username: { sql: 'a.username' } },
  orderAliases: { at: 'auditid' },
  cheap: [],
  paths: [
    { given: ['auditid'], order: null },
    { given: ['username'], order: 'auditid', index: 'audit_username' },
    { given: [], order: 'auditid' },
  ],
};

const COLUMNS = `a.id, a.at_ms AS atMs, a.username, a.via, a.token_id AS tokenId, a.address, a.action, a.target, a.params, a.outcome, a.error`;

interface AuditRow extends Pick<
  AuditResource,
  'username' | 'via' | 'address' | 'action' | 'target' | 'outcome' | 'error'
> {
  id: number;
  atMs: number;
  tokenId: number | null;
  params: string;
}

/** Who did what. */
export class AuditReads {
  constructor(private readonly db: Queryable) {}

  list(query: ResourceQuery): Promise<Page<AuditResource>> {
    return readHistory<AuditRow, AuditResource>(this.db, AUDIT, COLUMNS, query, toView);
  }

  async one(id: number): Promise<AuditResource | null> {
    const row = await this.db.get<AuditRow>(`SELECT ${COLUMNS} FROM audit a WHERE a.id = ?`, [id]);
    return row ? toView(row) : null;
  }
}

function toView({ id, atMs, tokenId, params, ...row }: AuditRow): AuditResource {
  return {
    ...row,
    auditid: id,
    at: seconds(atMs),
    tokenid: tokenId,
    params: JSON.parse(params) as AuditResource['params'],
  };
}
