import { describe, expect, it } from '@jest/globals';
import { MAX_FILTERS, onFrame } from './ws-protocol.js';

const consumed = new Set(['builds/*/*']);
const answer = (frame: unknown, filters: ReadonlySet<string> = consumed): unknown => {
  const outcome = onFrame(typeof frame === 'string' ? frame : JSON.stringify(frame), filters);
  return outcome.do === 'drop' ? 'drop' : JSON.parse(outcome.reply);
};

describe('the frames of /ws', () => {
  it.each([
    [
      { cmd: 'ping', _id: 1 },
      { msg: 'pong', code: 200, _id: 1 },
    ],
    [
      { cmd: 'ping', _id: 'text' },
      { msg: 'pong', code: 200, _id: 'text' },
    ],
    [
      { type: 'x', cmd: 'ping', _id: 2 },
      { msg: 'pong', code: 200, _id: 2 },
    ],
    [
      { cmd: 'startConsuming', path: 'changes/*/*', _id: 3 },
      { msg: 'OK', code: 200, _id: 3 },
    ],
    [
      { cmd: 'startConsuming', path: 'builds/*/*', _id: 4 },
      { msg: 'OK', code: 200, _id: 4 },
    ],
    [
      { cmd: 'startConsuming', path: '', _id: 5 },
      { msg: 'OK', code: 200, _id: 5 },
    ],
    [
      { cmd: 'stopConsuming', path: 'builds/*/*', _id: 6 },
      { msg: 'OK', code: 200, _id: 6 },
    ],
    [
      { cmd: 'stopConsuming', path: 'nope', _id: 7 },
      { error: `path was not consumed 'nope'`, code: 400, _id: 7 },
    ],
    [
      { cmd: 'startConsuming', path: ['builds'], _id: 8 },
      { error: `invalid path format '["builds"]'`, code: 400, _id: 8 },
    ],
    [
      { cmd: 'nope', _id: 9 },
      { error: `no such command type 'nope'`, code: 404, _id: 9 },
    ],
    [
      { cmd: 'getConfig', _id: 9 },
      { error: `no such command type 'getConfig'`, code: 404, _id: 9 },
    ],
    [{ _id: 10 }, { error: `no 'cmd' in websocket frame`, code: 400, _id: null }],
    [{ cmd: 'ping' }, { error: `no '_id' or 'type' in websocket frame`, code: 400, _id: null }],
    [
      { cmd: 'ping', _id: 11, extra: 1 },
      { error: `Invalid method argument: 'extra' is not known`, code: 400, _id: 11 },
    ],
    [
      { cmd: 'startConsuming', _id: 12 },
      { error: `Invalid method argument: 'path' is missing`, code: 400, _id: 12 },
    ],
    [
      { cmd: 'ping', type: 'x' },
      { error: `Invalid method argument: '_id' is missing`, code: 400, _id: null },
    ],
    [
      { cmd: { a: 1 }, _id: 13 },
      { error: `no such command type '{"a":1}'`, code: 404, _id: 13 },
    ],
    [
      { cmd: 'constructor', _id: 14 },
      { error: `no such command type 'constructor'`, code: 404, _id: 14 },
    ],
    ...[{}, [1], true, 'x'.repeat(101)].map(
      (id) =>
        [
          { cmd: 'ping', _id: id },
          { error: `invalid '_id': expected a number or at most 100 characters`, code: 400, _id: null },
        ] as const,
    ),
    [
      { cmd: 'x\u001b'.repeat(80), _id: 15 },
      { error: `no such command type '${'x\\x1b'.repeat(50)}…'`, code: 404, _id: 15 },
    ],
    [{ cmd: 'startConsuming', path: 'p'.repeat(501), _id: 16 }, expect.objectContaining({ code: 400, _id: 16 })],
    [`{"_id":1,"cmd":${'['.repeat(30_000)}${']'.repeat(30_000)}}`, 'drop'],
    [`{"_id":1,"cmd":"ping"${',"a":1'.repeat(50)}}`, 'drop'],
    ['not json', 'drop'],
    ['[1]', 'drop'],
    ['null', 'drop'],
  ])('answers %j', (frame, expected) => {
    expect(answer(frame)).toEqual(expected);
  });

  it('limits the filters of a connection', () => {
    const many = new Set(Array.from({ length: MAX_FILTERS }, (_, i) => `builds/${i}/*`));
    expect(answer({ cmd: 'startConsuming', path: 'builds/x/*', _id: 1 }, many)).toMatchObject({ code: 400 });
  });
});
