import type { ListenerOptions } from '@millrace/master';
import { withoutStockPath } from '../web/stock-paths.js';

/**
 * The UI's options of its HTTP listener: `/ws`, JSON-RPC's own errors about bodies, and the answer of Buildbot's API to pages from
 * elsewhere.
 */
export const UI_LISTENER: Omit<ListenerOptions, 'rule'> = {
  upgrades: true,
  meaning: withoutStockPath,
  textBodies: true,
  // Not an interceptor: Nest's pipeline for those took a fifth of the CPU time of a list read.
  isShared: isApi,
  refusedAs: (path, method, { status }) => {
    if (status !== 403 || !isApi(path)) return null;
    return { status: 400, body: { error: method === 'POST' ? { message: 'invalid origin' } : 'invalid origin' } };
  },
};

function isApi(path: string): boolean {
  return path === '/api' || path.startsWith('/api/');
}
