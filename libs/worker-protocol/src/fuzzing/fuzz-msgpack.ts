import { decodeMasterMessage, encodeResponse, encodeWorkerRequest } from '../messages.js';
import { MsgpackMasterSession } from '../msgpack-master-session.js';
import { encodeMessage } from '../msgpack-writer.js';
import type { CommandName } from '../worker-connection.js';
import { FEATURE_RESUME } from '../worker-info.js';
import type { Dice } from './dice.js';
import { damaged, recorded, sequence } from './frames.js';
import { type FuzzedCase, FuzzedSession, turns } from './fuzzed-case.js';

const captures = recorded('', 'ms-');
const COMMANDS: readonly CommandName[] = ['shell', 'upload_file', 'upload_directory', 'download_file'];
const OPS = [
  'update',
  'complete',
  'update_upload_file_write',
  'update_upload_file_close',
  'update_upload_file_utime',
  'update_upload_directory_write',
  'update_upload_directory_unpack',
  'update_read_file',
  'update_read_file_close',
  'response',
  'frobnicate',
];
const KINDS = ['stdout', 'stderr', 'header', 'log', 'rc', 'elapsed', 'failure_reason', 'files', 'stat', 'novelty'];

/** Returns frames of a recorded connection, damaged or not, with garbage between them. */
export function msgpackFrames(dice: Dice): Uint8Array[] {
  return sequence(captures, 5, dice);
}

/**
 * Runs a session with a worker that attaches, runs commands, and sends many messages that break the protocol.
 * @throws Error when the session throws or leaves something open
 */
export async function fuzzMsgpack(dice: Dice): Promise<FuzzedCase> {
  const answers: Uint8Array[] = [];
  const fuzzed = new FuzzedSession(dice, (frame) => {
    const message = decodeMasterMessage(frame);
    if (message.op !== 'response') answers.push(answer(dice, message.seq, message.op === 'get_worker_info'));
  });
  const session = new MsgpackMasterSession(fuzzed.transport, { wantLineTimes: dice.nat(1) === 0 });
  const hear = (frames: readonly Uint8Array[]): void => {
    fuzzed.seen.messages += frames.length;
    for (const frame of frames) session.receive(frame);
  };
  fuzzed.asks(session.attach(), (seen) => (seen.isAttached = true));
  hear(answers.splice(0));
  await turns(1);
  const ids = ['c0', 'c1'];
  for (const id of ids) {
    const outcome = session.startCommand(id, dice.pick(COMMANDS), {}, fuzzed.sink());
    fuzzed.asks(outcome, (seen) => seen.completed++);
  }
  hear(answers.splice(0));
  for (let rounds = 1 + dice.nat(2); rounds > 0; rounds--) {
    hear(Array.from({ length: dice.nat(8) }, () => frame(dice, dice.pick(ids))));
    if (dice.nat(3) === 0) fuzzed.asks(session.resumeCommand(dice.pick(ids), fuzzed.sink()));
    if (dice.nat(3) === 0) await turns(1);
    hear(answers.splice(0));
  }
  if (dice.nat(1) === 0) hear(msgpackFrames(dice));
  return fuzzed.end(session);
}

function answer(dice: Dice, seq: number, isAboutWorker: boolean): Uint8Array {
  const info = { basedir: '/w', system: 'posix', millrace_features: dice.nat(1) === 0 ? [FEATURE_RESUME] : [] };
  const isOdd = dice.nat(19) === 0;
  return encodeResponse({
    seq,
    result: isOdd ? value(dice, 3) : isAboutWorker ? info : null,
    isException: isOdd && dice.nat(1) === 0,
  });
}

function frame(dice: Dice, commandId: string): Uint8Array {
  const how = dice.nat(59);
  if (how === 0) return forged(dice);
  if (how === 1)
    return encodeMessage({ op: dice.pick(OPS), seq_number: 1, command_id: commandId, args: value(dice, 4) });
  const right = request(dice, commandId);
  return how === 2 ? damaged(right, dice) : right;
}

function request(dice: Dice, commandId: string): Uint8Array {
  const seq = dice.nat(300);
  const block = dice.bytes(dice.nat(50));
  const op = dice.nat(2) === 0 ? 'update' : dice.pick(OPS.slice(0, 9));
  if (op === 'update') {
    const args = Array.from({ length: dice.nat(4) }, () => update(dice));
    return encodeMessage({ op, args, command_id: commandId, seq_number: seq, update_number: dice.nat(2) });
  }
  const times = { access_time: dice.nat(9), modified_time: 1.5 };
  if (op === 'update_read_file' || op === 'update_upload_file_utime') {
    return encodeMessage({ op, length: dice.nat(1000), ...times, command_id: commandId, seq_number: seq });
  }
  if (op === 'complete' && dice.nat(2) > 0) {
    return encodeWorkerRequest(seq, { op: 'update_upload_file_write', commandId, block });
  }
  return encodeMessage({ op, args: op.endsWith('write') ? block : null, command_id: commandId, seq_number: seq });
}

function update(dice: Dice): unknown {
  const kind = dice.pick(KINDS);
  if (dice.nat(29) === 0) return [kind, value(dice, 3)];
  const lines = [dice.pick(['', 'a\n', 'é\nb', 'no end']), [1], [1.5]];
  switch (kind) {
    case 'log':
      return [kind, ['file', lines]];
    case 'rc':
    case 'elapsed':
      return [kind, dice.nat(3)];
    case 'failure_reason':
      return [kind, 'timeout'];
    case 'files':
      return [kind, ['a', 'b']];
    case 'stat':
      return [kind, [1, 2n ** 63n, 3]];
    default:
      return [kind, lines];
  }
}

function value(dice: Dice, depth: number): unknown {
  const how = dice.nat(depth > 0 ? 8 : 5);
  if (how < 6) return dice.pick([null, true, -1, 0.5, 2n ** 63n, 'x'.repeat(dice.nat(300)), dice.bytes(3)]);
  const items = Array.from({ length: dice.nat(4) }, () => value(dice, depth - 1));
  if (how < 8) return items;
  const keys = ['toString', 'constructor', 'length', 'then', 'x'];
  return Object.fromEntries(items.map((item) => [dice.pick(keys), item]));
}

/** Returns nested lists and maps, each of which claims to have at least as many values as bytes follow. */
function forged(dice: Dice): Uint8Array {
  const claims = Array.from({ length: 1 + dice.nat(40) }, () => {
    const claim = Buffer.from([dice.pick([0xdd, 0xdf]), 0, 0, 0, 0]);
    claim.writeUInt32BE(dice.pick([1, 1000, 100_000, 2 ** 24, 2 ** 32 - 1]), 1);
    return claim[0] === 0xdf ? Buffer.concat([claim, Buffer.from([0xa1, 0x78])]) : claim;
  });
  const head = encodeMessage({ op: dice.pick(OPS), seq_number: 0, command_id: 'c0', args: null }).subarray(0, -1);
  return Buffer.concat([dice.nat(1) === 0 ? head : new Uint8Array(), ...claims, Buffer.alloc(dice.nat(100_000), 0x90)]);
}
