import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createBus, type Bus, type BusOptions, type BusPayload } from '@millrace/bus';
import { eventually, requireService, type Service, type ServiceName } from '@millrace/testing/services';

// The tests run real servers on a machine that may be busy. Every wait in them has its own limit.
jest.setTimeout(60_000);

export interface BusUnderTest {
  readonly name: string;
  /** A service that must be installed. The embedded router needs none. */
  readonly needs?: ServiceName;
  start(options: { ticket?: string }): Promise<Service>;
  /** Returns the options with which a client shows the secret that `start` was given. */
  credentials(secret: string): Partial<BusOptions>;
}

interface Heard {
  readonly topic: string;
  readonly payload: BusPayload;
}

const FAST = { heartbeatMs: 250, backoff: { minMs: 20, maxMs: 200 } };

/** Describes what every broker must do for Millrace. The same tests run against each broker. */
export function describeBusContract(underTest: BusUnderTest): void {
  const suite = underTest.needs === undefined || requireService(underTest.needs) ? describe : describe.skip;
  suite(`the bus over ${underTest.name}`, () => {
    let service: Service;
    const open: Bus[] = [];

    beforeAll(async () => {
      service = await underTest.start({});
    }, 90_000);
    afterAll(() => service.stop());
    afterEach(async () => {
      await Promise.all(open.splice(0).map((bus) => bus.close()));
    });

    function unconnected(options: Partial<BusOptions> = {}): Bus {
      const bus = createBus({ url: service.url, ...options });
      open.push(bus);
      return bus;
    }

    async function connected(options: Partial<BusOptions> = {}): Promise<Bus> {
      const bus = unconnected(options);
      await bus.ready(20_000);
      return bus;
    }

    function listen(bus: Bus, prefix: string): Heard[] {
      const heard: Heard[] = [];
      bus.subscribe(prefix, (topic, payload) => heard.push({ topic, payload }));
      return heard;
    }

    const topics = (heard: readonly Heard[]): string[] => heard.map(({ topic }) => topic);

    /** Waits until a subscription made while connected is in place, by probing until a hint arrives. */
    async function inPlace(publisher: Bus, heard: readonly Heard[], topic: string): Promise<void> {
      await eventually(
        () => {
          publisher.publish(topic, {});
          return heard.some((hint) => hint.topic === topic);
        },
        { what: `a subscription that hears ${topic}` },
      );
    }

    describe('hints', () => {
      it('reach every subscriber whose prefix covers the topic by whole words, and nobody else', async () => {
        const [publisher, subscriber] = [await connected(), unconnected()];
        const builds = listen(subscriber, 'builds');
        const one = listen(subscriber, 'builds.1');
        const all = listen(subscriber, '');
        await subscriber.ready(20_000);
        const sent = ['builds', 'builds.1', 'builds.1.finished', 'builds.12', 'buildsets.1', 'end'];
        for (const topic of sent) publisher.publish(topic, { topic });
        await eventually(() => topics(all).includes('end'), { what: 'the last hint' });
        expect(topics(all)).toEqual(sent);
        expect(topics(builds)).toEqual(['builds', 'builds.1', 'builds.1.finished', 'builds.12']);
        expect(topics(one)).toEqual(['builds.1', 'builds.1.finished']);
        expect(all[2]!.payload).toEqual({ topic: 'builds.1.finished' });
        expect(subscriber.stats.received).toBe(12);
      });

      it('do not come back to their publisher', async () => {
        const [publisher, other] = [unconnected(), unconnected()];
        const own = listen(publisher, '');
        const others = listen(other, '');
        await Promise.all([publisher.ready(20_000), other.ready(20_000)]);
        publisher.publish('from.publisher', {});
        await eventually(() => others.length === 1, { what: 'the hint at the other end' });
        other.publish('from.other', {});
        await eventually(() => own.length > 0, { what: 'the hint back' });
        expect(topics(own)).toEqual(['from.other']);
      });

      it('stop after unsubscribe, while a second handler of the same prefix still hears them', async () => {
        const [publisher, subscriber] = [await connected(), unconnected()];
        const first: string[] = [];
        const unsubscribe = subscriber.subscribe('a', (topic) => first.push(topic));
        const second = listen(subscriber, 'a');
        await subscriber.ready(20_000);
        publisher.publish('a.1', {});
        await eventually(() => second.length === 1, { what: 'a.1' });
        unsubscribe();
        unsubscribe();
        publisher.publish('a.2', {});
        await eventually(() => second.length === 2, { what: 'a.2' });
        expect(first).toEqual(['a.1']);
      });

      it('are heard again when a prefix is left and joined in one breath', async () => {
        const [publisher, subscriber] = [await connected(), await connected()];
        for (let round = 0; round < 20; round++) subscriber.subscribe('b', () => undefined)();
        const heard = listen(subscriber, 'b');
        await inPlace(publisher, heard, 'b.probe');
      });

      it('of one topic are merged into the latest while they wait', async () => {
        const [publisher, subscriber] = [await connected(), unconnected()];
        const heard = listen(subscriber, 'c');
        await subscriber.ready(20_000);
        for (let n = 1; n <= 1000; n++) publisher.publish('c.hot', { n });
        publisher.publish('c.end', {});
        await eventually(() => topics(heard).includes('c.end'), { what: 'the last hint' });
        const hot = heard.filter(({ topic }) => topic === 'c.hot');
        expect(hot.at(-1)!.payload).toEqual({ n: 1000 });
        expect(hot.length + publisher.stats.coalesced).toBe(1000);
        expect(hot.length).toBeLessThan(10);
      });

      it('arrive whole when big, and unicode intact', async () => {
        const [publisher, subscriber] = [await connected(), unconnected()];
        const heard = listen(subscriber, 'd');
        await subscriber.ready(20_000);
        const payload = {
          text: 'žluťoučký 🐎\u0000\u2028"\\',
          list: [1.5, null, true, { deep: ['✓'] }],
          big: 'é'.repeat(200_000),
        };
        publisher.publish('d.big', payload);
        await eventually(() => heard.length === 1, { what: 'the big hint' });
        expect(heard[0]!.payload).toEqual(payload);
      });

      it('that cannot be sent are dropped and counted, and the others go on', async () => {
        const warnings: string[] = [];
        const publisher = await connected({ onWarning: (message) => warnings.push(message) });
        const subscriber = unconnected();
        const heard = listen(subscriber, 'e');
        await subscriber.ready(20_000);
        const cyclic: Record<string, unknown> = {};
        cyclic['self'] = cyclic;
        publisher.publish('e.cyclic', cyclic as BusPayload);
        publisher.publish('e..bad', {});
        publisher.publish('e.list', [] as unknown as BusPayload);
        publisher.publish('e.good', {});
        publisher.publish('e.cyclic.last', cyclic as BusPayload);
        await eventually(() => heard.length === 1, { what: 'the good hint' });
        await eventually(() => publisher.stats.dropped === 4, { what: 'all bad ones counted' });
        expect(topics(heard)).toEqual(['e.good']);
        expect(publisher.stats.published).toBe(1);
        expect(warnings).toContain('bad hint dropped');
      });

      it('are not lost to the others when a handler throws', async () => {
        const [publisher, subscriber] = [await connected(), unconnected()];
        subscriber.subscribe('f', () => {
          throw new Error('handler');
        });
        const heard = listen(subscriber, 'f');
        await subscriber.ready(20_000);
        publisher.publish('f.1', {});
        publisher.publish('f.2', {});
        await eventually(() => heard.length === 2, { what: 'both hints' });
        expect(subscriber.state).toBe('connected');
      });

      it('that are queued are sent by close', async () => {
        const subscriber = unconnected();
        const heard = listen(subscriber, 'g');
        await subscriber.ready(20_000);
        const publisher = await connected();
        for (let n = 0; n < 1000; n++) publisher.publish(`g.${n}`, {});
        await publisher.close();
        await eventually(() => heard.length === 1000, { what: 'all 1000 hints' });
        expect(publisher.state).toBe('off');
      });
    });

    describe('calls', () => {
      it('return what the procedure returns, and its errors', async () => {
        const [caller, callee] = [await connected(), unconnected()];
        callee.register('math.double', (args) => ({ twice: Number(args['n']) * 2 }));
        callee.register('math.fail', () => {
          throw new Error('no such number');
        });
        await callee.ready(20_000);
        expect(await caller.call('math.double', { n: 21 })).toEqual({ twice: 42 });
        const failing = caller.call('math.fail', {});
        await expect(failing).rejects.toMatchObject({ code: 'bus-call-failed' });
        await expect(failing).rejects.toThrow(/no such number/);
      });

      it('of an unknown or unregistered procedure fail at once, even where somebody hears every topic', async () => {
        const [caller, callee] = [await connected(), unconnected()];
        listen(callee, '');
        const unregister = callee.register('gone.soon', () => ({}));
        await callee.ready(20_000);
        expect(await caller.call('gone.soon', {})).toEqual({});
        unregister();
        await eventually(
          async () => {
            await expect(caller.call('gone.soon', {})).rejects.toMatchObject({ code: 'bus-no-such-procedure' });
          },
          { what: 'the procedure to be unknown' },
        );
      });

      it('time out when nobody answers, without harm to later ones', async () => {
        const [caller, callee] = [await connected(), unconnected()];
        let answerLate = (): void => undefined;
        callee.register('slow', () => new Promise((resolve) => (answerLate = () => resolve({ late: true }))));
        callee.register('quick', () => ({ ok: true }));
        await callee.ready(20_000);
        await expect(caller.call('slow', {}, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'bus-call-timeout' });
        answerLate();
        expect(await caller.call('quick', {})).toEqual({ ok: true });
        expect(caller.stats.reconnects).toBe(0);
      });

      it('of a procedure that never answers do not use up the broker', async () => {
        const [caller, callee] = [await connected(), unconnected()];
        callee.register('never', (args) => (args['n'] === undefined ? {} : new Promise(() => undefined)));
        await callee.ready(20_000);
        const calls = Array.from({ length: 1_000 }, (_none, n) => caller.call('never', { n }, { timeoutMs: 100 }));
        for (const { status } of await Promise.allSettled(calls)) expect(status).toBe('rejected');
        await eventually(async () => expect(await caller.call('never', {})).toEqual({}), { what: 'an answer' });
        expect(caller.stats.reconnects).toBe(0);
      });

      it('refuse a second registration of a name on the same bus', async () => {
        const bus = await connected();
        bus.register('once', () => ({}));
        expect(() => bus.register('once', () => ({}))).toThrow(
          expect.objectContaining({ code: 'procedure-registered' }),
        );
      });

      it('go to a new session although the old one still holds the name', async () => {
        const [caller, old, young] = [await connected(), unconnected(), unconnected()];
        old.register('who', () => ({ who: 'old' }));
        await old.ready(20_000);
        young.register('who', () => ({ who: 'young' }));
        await young.ready(20_000);
        if (underTest.needs !== 'nats') expect(await caller.call('who', {})).toEqual({ who: 'young' });
        await old.close();
        // A broker notices an end without a GOODBYE only a moment later. Until then NATS may also call the old responder.
        await eventually(async () => expect(await caller.call('who', {})).toEqual({ who: 'young' }));
      });
    });

    describe('when the broker goes away', () => {
      // Time limit of tests that kill the broker, which may start slowly.
      const SLOW = 90_000;

      it(
        'rejects calls under way, merges what is published meanwhile, and comes back with every subscription and procedure',
        async () => {
          const [a, b] = [unconnected(FAST), unconnected(FAST)];
          const heard = listen(b, 'x');
          b.register('x.echo', (args) => args);
          b.register('x.never', () => new Promise(() => undefined));
          const states: string[] = [];
          a.onState((state) => states.push(state));
          await Promise.all([a.ready(20_000), b.ready(20_000)]);
          const underWay = a.call('x.never', {}, { timeoutMs: 60_000 });
          const outcome = expect(underWay).rejects.toMatchObject({ code: 'bus-disconnected' });
          await service.kill();
          await outcome;
          await eventually(() => a.state === 'connecting' && b.state === 'connecting', { what: 'both to notice' });
          await expect(a.call('x.echo', {})).rejects.toMatchObject({ code: 'bus-disconnected' });
          for (let n = 1; n <= 50; n++) a.publish('x.while.away', { n });
          await service.restart();
          await eventually(() => b.state === 'connected' && a.state === 'connected', {
            timeoutMs: 20_000,
            what: 'both to be back',
          });
          await inPlace(a, heard, 'x.after');
          expect(await a.call('x.echo', { still: 'here' })).toEqual({ still: 'here' });
          expect(a.stats).toMatchObject({ reconnects: 1, dropped: 0 });
          expect(a.stats.coalesced).toBeGreaterThanOrEqual(49);
          expect(states).toEqual(['connected', 'connecting', 'connected']);
        },
        SLOW,
      );

      it(
        'keeps the latest maxQueued topics, counts the others, and sends what it kept',
        async () => {
          await service.kill();
          const bus = unconnected({ ...FAST, maxQueued: 10 });
          for (let n = 0; n < 25; n++) bus.publish(`y.${n}`, { n });
          expect(bus.stats).toMatchObject({ dropped: 15, published: 0 });
          await expect(bus.ready(100)).rejects.toMatchObject({ code: 'bus-unreachable' });
          await service.restart();
          await bus.ready(20_000);
          await eventually(() => bus.stats.published === 10, { what: 'the ten that were kept' });
          expect(bus.stats.dropped).toBe(15);
        },
        SLOW,
      );

      it(
        'notices a broker that keeps the connection and answers nothing',
        async () => {
          const bus = await connected(FAST);
          service.freeze();
          try {
            await eventually(() => bus.state === 'connecting', { what: 'the loss' });
          } finally {
            service.thaw();
          }
          await eventually(() => bus.state === 'connected', { timeoutMs: 20_000, what: 'the return' });
          expect(bus.stats.reconnects).toBeGreaterThanOrEqual(1);
        },
        SLOW,
      );

      it('closes promptly while it is trying to connect', async () => {
        const bus = createBus({ url: service.url.replace(/:\d+/, ':1') });
        await expect(bus.ready(50)).rejects.toMatchObject({ code: 'bus-unreachable' });
        await bus.close();
        await bus.close();
        expect(bus.state).toBe('off');
        await expect(bus.ready(50)).rejects.toMatchObject({ code: 'bus-unreachable' });
      });
    });

    it('is not reached without TLS when the URL asks for TLS', async () => {
      const secure = service.url.replace('ws:', 'wss:').replace('nats:', 'tls:');
      await expect(unconnected({ url: secure, ...FAST }).ready(500)).rejects.toMatchObject({ code: 'bus-unreachable' });
    });

    it('lets in who has the secret and nobody else', async () => {
      const guarded = await underTest.start({ ticket: 's3cret-of-this-test' });
      try {
        const wrong = unconnected({ url: guarded.url, ...FAST, ...underTest.credentials('guess') });
        const none = unconnected({ url: guarded.url, ...FAST });
        await connected({ url: guarded.url, ...underTest.credentials('s3cret-of-this-test') });
        await expect(wrong.ready(500)).rejects.toMatchObject({ code: 'bus-unreachable' });
        await expect(none.ready(500)).rejects.toMatchObject({ code: 'bus-unreachable' });
      } finally {
        await guarded.stop();
      }
    }, 90_000);
  });
}
