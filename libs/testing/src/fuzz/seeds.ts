/** Valid frames of `/ws`. */
export const EVENT_FRAMES: readonly unknown[] = [
  { cmd: 'ping', _id: 1 },
  { cmd: 'startConsuming', path: 'builds/*/*', _id: 2 },
  { cmd: 'stopConsuming', path: 'builds/*/*', _id: 'three' },
  { cmd: 'startConsuming', path: 'steps/1/logs/*/*', _id: 4 },
  { cmd: 'getConfig', _id: 5, type: 'x' },
];

/** JSON-RPC calls with their paths. The rows that they name do not exist. */
export const RPC_CALLS: readonly { readonly path: string; readonly call: unknown }[] = [
  rpc('forceschedulers/nobody', 'force', { builderid: 1, reason: 'x', username: 'Ann', level: ['a'], clean: true }),
  rpc('builds/999999999', 'stop', { reason: 'x' }),
  rpc('builds/999999999', 'rebuild', {}),
  rpc('buildrequests/999999999', 'cancel', { reason: 'x' }),
  rpc('buildrequests/999999999', 'set_priority', { priority: 3 }),
  rpc('workers/999999999', 'pause', { reason: 'x' }),
  rpc('schedulers/999999999', 'enable', { enabled: true }),
];

/** Valid messages of a WAMP client, HELLO first. */
export const WAMP_MESSAGES: readonly unknown[] = [
  [1, 'realm1', { roles: { callee: { features: { registration_revocation: true } } }, authmethods: ['anonymous'] }],
  [1, 'realm1', { roles: {}, authmethods: ['ticket'], authid: 'millrace' }],
  [3, {}, 'wamp.error.x'],
  [5, 'a-ticket', {}],
  [6, {}, 'wamp.close.normal'],
  [8, 68, 1, {}, 'app.error.x', ['why'], {}],
  [16, 1, { acknowledge: true, exclude_me: false }, 'org.millrace.builds.1.new', [{ buildid: 1 }], { a: 1 }],
  [32, 1, { match: 'prefix' }, 'org.millrace.'],
  [32, 2, {}, 'org.millrace.builds'],
  [34, 3, 1],
  [48, 4, {}, 'org.millrace.p', [1], {}],
  [49, 4, { mode: 'kill' }],
  [64, 5, { force_reregister: true, invoke: 'single' }, 'org.millrace.p'],
  [66, 6, 1],
  [70, 1, {}, ['done'], {}],
];

function rpc(path: string, method: string, params: object): { path: string; call: unknown } {
  return { path, call: { jsonrpc: '2.0', id: 7, method, params } };
}
