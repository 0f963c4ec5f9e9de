import type { ListenerOptions } from '@millrace/master';

/**
 * The UI's options of its HTTP listener: `/ws`, JSON-RPC's own errors about bodies, and the answer of Buildbot's API to pages from
 * elsewhere.
 */
export const UI_LISTENER: Omit<ListenerOptions, 'rule'> = {
  upgrades: true,
  textBodies: true,
  refusedAs: (path, method, { status }) => {
    if (status !== 403 || !(path === '/api' || path.startsWith('/api/'))) return null;
    return { status: 400, body: { error: method === 'POST' ? { message: 'invalid origin' } : 'invalid origin' } };
  },
};
