import type { AuditResource } from '@millrace/contracts';
import { AUDIT } from '@millrace/database';
import { address, list, type Resource, resource, type ResourcePorts } from './resource.js';

/** Who did what, for those who may know. */
export function audit({ reads: { audit } }: ResourcePorts): Resource {
  return resource<AuditResource>({
    name: 'auditentry',
    view: 'audit',
    shape: AUDIT.shape,
    seen: 'by-those-who-see-all',
    one: { at: [address('audit/n:auditid', ([id]) => id)], read: (id) => audit.one(id) },
    reads: [list('audit', (_args, query) => audit.list(query))],
  });
}
