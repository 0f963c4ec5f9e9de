import { ApiTokenStore } from './accounts/api-tokens.js';
import { AuditStore } from './accounts/audit.js';
import { SessionStore } from './accounts/sessions.js';
import { UserStore } from './accounts/users.js';
import { CommandStore } from './actions/commands.js';
import { WorkerActionStore } from './actions/workers.js';
import { HookDeliveryStore } from './intake/hook-deliveries.js';
import { MasterStore } from './masters.js';
import { AuditReads } from './reads/audit.js';
import { CatalogReads } from './reads/catalog.js';
import { ChangeReads } from './reads/changes.js';
import { DeliveryReads } from './reads/deliveries.js';
import { LockReads } from './reads/locks.js';
import { RevertStore } from './reverts.js';
import { RevisionReads } from './revisions.js';
import type { Database } from './sql.js';
import { WorkerTokenStore } from './worker-tokens.js';

/** The stores for programs without a container: command line tools, and the control thread of a master. */
export interface Stores {
  readonly apiTokens: ApiTokenStore;
  readonly audit: AuditStore;
  readonly auditReads: AuditReads;
  readonly catalog: CatalogReads;
  readonly changeReads: ChangeReads;
  readonly commands: CommandStore;
  readonly deliveries: HookDeliveryStore;
  readonly deliveryReads: DeliveryReads;
  readonly locks: LockReads;
  readonly masters: MasterStore;
  readonly reverts: RevertStore;
  readonly revisions: RevisionReads;
  readonly sessions: SessionStore;
  readonly tokens: WorkerTokenStore;
  readonly users: UserStore;
  readonly workerActions: WorkerActionStore;
}

/** Makes each store on first use. A store keeps nothing but the database. */
export function storesOf(db: Database): Stores {
  return {
    get apiTokens() {
      return new ApiTokenStore(db);
    },
    get audit() {
      return new AuditStore(db);
    },
    get auditReads() {
      return new AuditReads(db);
    },
    get catalog() {
      return new CatalogReads(db);
    },
    get changeReads() {
      return new ChangeReads(db);
    },
    get commands() {
      return new CommandStore(db);
    },
    get deliveries() {
      return new HookDeliveryStore(db);
    },
    get deliveryReads() {
      return new DeliveryReads(db);
    },
    get locks() {
      return new LockReads(db);
    },
    get masters() {
      return new MasterStore(db);
    },
    get reverts() {
      return new RevertStore(db);
    },
    get revisions() {
      return new RevisionReads(db);
    },
    get sessions() {
      return new SessionStore(db);
    },
    get tokens() {
      return new WorkerTokenStore(db);
    },
    get users() {
      return new UserStore(db);
    },
    get workerActions() {
      return new WorkerActionStore(db);
    },
  };
}
