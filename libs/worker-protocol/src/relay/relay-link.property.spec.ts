import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Transport } from '../worker-connection.js';
import { decodeRelayFrame, encodeRelayFrame, type RelayFrame, type RelayOpening } from './relay-frames.js';
import { RELAY_WINDOW_BYTES, type RelayChannel, RelayLink } from './relay-link.js';

const OPENING: RelayOpening = { protocol: 'msgpack', authorization: 'Basic eDp5', remoteAddress: '10.0.0.1' };
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const frame: fc.Arbitrary<RelayFrame> = fc.oneof(
  fc.record({
    kind: fc.constant('open' as const),
    channel: uint32,
    opening: fc.record({
      protocol: fc.constantFrom('msgpack' as const, 'pb' as const),
      authorization: fc.option(fc.string()),
      remoteAddress: fc.oneof(fc.ipV4(), fc.ipV6(), fc.constant('')),
    }),
  }),
  fc.record({ kind: fc.constant('accept' as const), channel: uint32 }),
  fc.record({ kind: fc.constant('data' as const), channel: uint32, data: fc.uint8Array() }),
  fc.record({ kind: fc.constant('credit' as const), channel: uint32, bytes: uint32 }),
  fc.record({
    kind: fc.constant('close' as const),
    channel: uint32,
    status: uint32,
    reason: fc.string({ unit: 'grapheme' }),
  }),
);

/** Connects a relay's link and an engine's link. Frames wait in `wires` until they are delivered. */
function connect() {
  const wires = { up: [] as Uint8Array[], down: [] as Uint8Array[] };
  const closings: string[] = [];
  const over = (wire: Uint8Array[]): Transport => ({
    send: (bytes) => void wire.push(bytes),
    close: (reason) => void closings.push(reason),
    bufferedBytes: () => wire.reduce((bytes, { length }) => bytes + length, 0),
  });
  const accepted: RelayChannel[] = [];
  const relay = new RelayLink(over(wires.up));
  const engine = new RelayLink(over(wires.down), (channel) => {
    accepted.push(channel);
    channel.accept();
  });
  const deliver = (): void => {
    while (wires.up.length + wires.down.length > 0) {
      for (const bytes of wires.up.splice(0)) engine.receive(bytes);
      for (const bytes of wires.down.splice(0)) relay.receive(bytes);
    }
  };
  return { relay, engine, accepted, deliver, wires, closings };
}

describe('relay frames', () => {
  it('decode to what was encoded', () => {
    fc.assert(
      fc.property(frame, (one) => {
        const { data, ...rest } = { data: undefined, ...decodeRelayFrame(encodeRelayFrame(one)) };
        expect(data === undefined ? rest : { ...rest, data: new Uint8Array(data) }).toEqual(one);
      }),
    );
  });

  it('close the link when they are garbage, without an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (garbage) => {
        const { engine, closings } = connect();
        engine.receive(garbage);
        expect(closings.length).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('channels', () => {
  /** An action on one channel: frames up, frames down, pausing and resuming at either end. */
  const action = fc.record({
    channel: fc.nat({ max: 3 }),
    what: fc.constantFrom('up', 'down', 'pause', 'resume', 'deliver'),
    size: fc.oneof(fc.nat({ max: 100 }), fc.nat({ max: 2 * RELAY_WINDOW_BYTES })),
  });

  it('deliver everything whole and in order, and hold back data while the receiver is paused', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const { relay, accepted, deliver, closings } = connect();
        const near = Array.from({ length: 4 }, () => relay.open(OPENING));
        deliver();
        const sent = near.map(() => ({ up: [] as number[], down: [] as number[] }));
        const got = near.map(() => ({ up: [] as number[], down: [] as number[] }));
        near.forEach((channel, index) => {
          accepted[index]!.onData = (data) => void got[index]!.up.push(data.length);
          channel.onData = (data) => void got[index]!.down.push(data.length);
        });
        for (const { channel, what, size } of actions) {
          if (what === 'deliver') deliver();
          else if (what === 'pause') accepted[channel]!.pause();
          else if (what === 'resume') accepted[channel]!.resume();
          else {
            sent[channel]![what].push(size);
            (what === 'up' ? near : accepted)[channel]!.send(new Uint8Array(size));
          }
        }
        deliver();
        // Data on channels that nobody has paused has arrived, whatever the other channels do.
        accepted.forEach((channel, index) => {
          if (!channel.isPaused) expect(got[index]!.up).toEqual(sent[index]!.up);
          channel.resume();
        });
        deliver();
        expect(got).toEqual(sent);
        expect(near.every(({ isWritable, bufferedBytes }) => isWritable && bufferedBytes === 0)).toBe(true);
        expect(closings).toEqual([]);
      }),
      { numRuns: 200 },
    );
  });

  it('stop being writable at the window, and report when they are writable again', () => {
    const { relay, accepted, deliver } = connect();
    const channel = relay.open(OPENING);
    let told = 0;
    channel.onWritable = () => void told++;
    deliver();
    accepted[0]!.pause();
    let frames = 0;
    while (channel.isWritable && frames < 10_000) {
      channel.send(new Uint8Array(1000));
      frames += 1;
      deliver();
    }
    expect(frames).toBeLessThan(RELAY_WINDOW_BYTES / 1000 + 1);
    accepted[0]!.resume();
    deliver();
    expect([told, channel.isWritable]).toEqual([1, true]);
  });

  it('close the link of a relay that exceeds its window', () => {
    const { engine, accepted, closings, relay, deliver } = connect();
    relay.open(OPENING);
    deliver();
    accepted[0]!.pause();
    const data = new Uint8Array(RELAY_WINDOW_BYTES);
    for (let count = 0; count < 3; count++) engine.receive(encodeRelayFrame({ kind: 'data', channel: 1, data }));
    expect(closings).toEqual(['a channel sends more than it may']);
  });

  it('close the link of a relay that grants credit for bytes it did not take', () => {
    const { engine, accepted, closings, relay, deliver, wires } = connect();
    relay.open(OPENING);
    deliver();
    const data = new Uint8Array(1 << 20);
    for (let count = 0; count < 200 && closings.length === 0; count++) {
      engine.receive(encodeRelayFrame({ kind: 'credit', channel: 1, bytes: data.length + 100 }));
      accepted[0]!.send(data);
    }
    expect(closings).toEqual([expect.stringContaining('does not take what it asks for')]);
    expect(wires.down.length).toBeLessThan(70);
    expect(accepted[0]!.isOpen).toBe(false);
  });

  it('end one by one with a status, or all together with their link', () => {
    const { relay, engine, accepted, deliver } = connect();
    const ends: unknown[] = [];
    const [one, two] = [relay.open(OPENING), relay.open(OPENING)];
    for (const channel of [one, two]) channel.onClosed = (closing) => void ends.push(closing);
    deliver();
    expect(accepted[0]!.opening).toEqual(OPENING);
    accepted[0]!.close('wrong password', 401);
    one.send(new Uint8Array(3));
    deliver();
    expect(ends).toEqual([{ status: 401, reason: 'wrong password', isLinkLost: false }]);
    relay.closed('pulled');
    engine.closed('pulled');
    expect(ends.at(-1)).toEqual({ status: 0, reason: 'pulled', isLinkLost: true });
    expect([one.isOpen, two.isOpen, accepted[1]!.isOpen]).toEqual([false, false, false]);
  });
});
