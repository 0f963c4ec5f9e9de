import { encodeMessage } from '../msgpack-writer.js';
import { encodeRelayFrame, type RelayFrame } from '../relay/relay-frames.js';
import { type RelayChannel, RelayLink } from '../relay/relay-link.js';
import type { Dice } from './dice.js';
import { damaged } from './frames.js';
import { type FuzzedCase, FuzzedSession } from './fuzzed-case.js';

const KINDS = ['open', 'accept', 'data', 'data', 'data', 'credit', 'close'] as const;

/** Returns the frames that a broken relay sends, in order. */
export function relayFrames(dice: Dice): Uint8Array[] {
  const channels = { next: 1 };
  return Array.from({ length: 1 + dice.nat(20) }, () => says(dice, channels));
}

/**
 * Runs the engine's end of a relay connection: it accepts, refuses, pauses and answers channels.
 * @throws Error when the link throws or leaves something open
 */
export async function fuzzRelay(dice: Dice): Promise<FuzzedCase> {
  const fuzzed = new FuzzedSession(dice, () => undefined);
  const { seen } = fuzzed;
  const open = new Set<RelayChannel>();
  const channels = { next: 1 };
  const link = new RelayLink(fuzzed.transport, (channel) => {
    open.add(channel);
    channel.onEnded = () => open.delete(channel);
    channel.onClosed = () => seen.completed++;
    channel.onData = (data) => {
      seen.updates++;
      if (dice.nat(9) === 0) channel.pause();
      else if (dice.nat(3) === 0) channel.send(data);
    };
    if (dice.nat(9) === 0) return channel.close('no room', 503);
    seen.isAttached = true;
    channel.accept();
  });
  for (let rounds = 1 + dice.nat(3); rounds > 0; rounds--) {
    for (let left = dice.nat(20); left > 0; left--) {
      seen.messages++;
      link.receive(says(dice, channels));
    }
    for (const channel of [...open]) {
      seen.transfers++;
      channel.resume();
    }
  }
  const end = await fuzzed.end({ closed: (reason) => link.closed(reason), unacknowledgedBytes: 0 });
  if (open.size > 0) throw new Error(`${open.size} channels outlive their link`);
  return end;
}

/**
 * Returns one frame of a broken relay.
 * @param channels `next` is the number of the next channel to open
 */
function says(dice: Dice, channels: { next: number }): Uint8Array {
  const how = dice.nat(79);
  if (how === 0) return dice.bytes(dice.nat(60));
  if (how === 1) return oddOpening(dice);
  const right = encodeRelayFrame(frame(dice, channels));
  return how === 2 ? damaged(right, dice) : right;
}

function frame(dice: Dice, channels: { next: number }): RelayFrame {
  const channel = dice.nat(9) === 0 ? dice.nat(1_000_000) : dice.nat(channels.next);
  const kind = dice.pick(KINDS);
  switch (kind) {
    case 'open':
      return {
        kind,
        // Opening a channel that is already open ends the connection.
        channel: dice.nat(99) === 0 ? channel : channels.next++,
        opening: { protocol: dice.pick(['msgpack', 'pb']), authorization: null, remoteAddress: '10.0.0.1' },
      };
    case 'data':
      return { kind, channel, data: dice.bytes(dice.nat(30)) };
    case 'credit':
      return { kind, channel, bytes: dice.pick([0, 1, 1 << 20, 2 ** 32 - 1]) };
    case 'close':
      return { kind, channel, status: dice.nat(600), reason: 'x'.repeat(dice.nat(3000)) };
    default:
      return { kind, channel };
  }
}

function oddOpening(dice: Dice): Uint8Array {
  const opening = encodeMessage({
    protocol: dice.pick<unknown>(['msgpack', 'pb', 'http', 1, null]),
    authorization: dice.pick<unknown>([null, 'x'.repeat(dice.nat(20_000)), 1, {}]),
    remoteAddress: dice.pick<unknown>(['', '::1', '\u001b[2J', 'x'.repeat(dice.nat(20_000)), null, [[]]]),
  });
  return Buffer.concat([Buffer.from([1, 0, 0, 0, dice.nat(255)]), opening]);
}
