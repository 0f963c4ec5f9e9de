import type { ListenerOptions } from '@millrace/master';

/** What the UI's HTTP listener has beyond what all have: `/ws`, JSON-RPC's own words about bodies, and the answer of Buildbot's API to pages from elsewhere. */
export const UI_LISTENER: Omit<ListenerOptions, 'rule'> = {
  upgrades: true,
  textBodies: true,
  refusedAs: (path, method, { status }) => {
    if (status !== 403 || !(path === '/api' || path.startsWith('/api/'))) return null;
    return { status: 400, body: { error: method === 'POST' ? { message: 'invalid origin' } : 'invalid origin' } };
  },
};
