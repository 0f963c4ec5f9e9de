import { constants } from 'node:zlib';
import fastifyCompress from '@fastify/compress';
import type { ListenerOptions } from '@millrace/master';
import { withoutStockPath } from '../web/stock-paths.js';

/**
 * The UI's options of its HTTP listener: `/ws`, compressed answers, JSON-RPC's own errors about bodies, and the answer of Buildbot's API to pages from
 * elsewhere.
 */
export const UI_LISTENER: Omit<ListenerOptions, 'rule' | 'tls' | 'hstsSeconds'> = {
  upgrades: true,
  meaning: withoutStockPath,
  textBodies: true,
  extend: (http) => {
    void http.register(fastifyCompress, {
      // A smaller answer fits into a packet or two as it is.
      threshold: 2048,
      encodings: ['br', 'gzip', 'deflate'],
      // About as fast as gzip, and smaller.
      brotliOptions: { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } },
    });
  },
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
