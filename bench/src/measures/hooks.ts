import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { OperationalError } from '@millrace/domain';
import { eventually, hookDelivery } from '@millrace/testing';
import type { Figure } from '../figures.js';
import { latencies } from '../stats.js';
import type { IntakeSystem } from '../systems/intake.js';
import { HOOK_SECRET } from '../systems/intake.js';

const PER_SECOND = 200;
const WARM_UP_SECONDS = 5;
const SECONDS = 20;

/**
 * Measures how long deliveries wait for their answer when they come at a fixed rate, whether or not earlier ones have been answered. The
 * scheduler reads them meanwhile.
 */
export async function deliveries(system: IntakeSystem): Promise<Figure[]> {
  const { headers, body } = hookDelivery('github', 'push', HOOK_SECRET);
  const agent = new Agent({ keepAlive: true });
  const deliver = (): Promise<number> => {
    const startedAt = performance.now();
    return new Promise((resolve, reject) => {
      const sent = request(
        `http://127.0.0.1:${system.cluster.ports.trigger}/change_hook/github`,
        { agent, method: 'POST', headers: { ...headers, 'x-github-delivery': randomUUID() } },
        (response) => {
          response.resume();
          response.once('end', () =>
            response.statusCode === 202
              ? resolve(performance.now() - startedAt)
              : reject(new OperationalError('refused', `a delivery was answered with ${response.statusCode}`)),
          );
        },
      );
      sent.once('error', reject);
      sent.end(body);
    });
  };
  const send = async (seconds: number): Promise<{ samples: number[]; perSecond: number }> => {
    const answers: Promise<number>[] = [];
    const startedAt = performance.now();
    for (let i = 0; i < seconds * PER_SECOND; i++) {
      const early = startedAt + (i * 1000) / PER_SECOND - performance.now();
      if (early > 1) await delay(early);
      answers.push(deliver());
    }
    const samples = await Promise.all(answers);
    return { samples, perSecond: (samples.length / (performance.now() - startedAt)) * 1000 };
  };
  await send(WARM_UP_SECONDS);
  const { samples, perSecond } = await send(SECONDS);
  const lastAt = performance.now();
  await eventually(
    async () =>
      (await system.database.get<{ n: number }>(`SELECT COUNT(*) AS n FROM hook_deliveries WHERE state = 'waiting'`))!
        .n === 0,
    { timeoutMs: 300_000, what: 'all deliveries to be read' },
  );
  const behindMs = performance.now() - lastAt;
  agent.destroy();
  const { p50Ms, p99Ms } = latencies(samples);
  const less = (name: string, value: number): Figure => ({ name, unit: 'ms', better: 'less', value });
  return [
    { name: 'deliveries accepted', unit: '/s', better: 'more', value: perSecond },
    less('delivery → 202 p50', p50Ms),
    less('delivery → 202 p99', p99Ms),
    less('last delivery → read', behindMs),
  ];
}
