import { describe, expect, it } from '@jest/globals';
import { type Guarantee, GUARANTEES } from '@millrace/testing';
import { judge } from './chaos/judge.js';
import { ALL_PHASES, type ChaosOptions, DEMONSTRATIONS, runChaos } from './chaos/scenario.js';

/** Seed of the short form. `npm run chaos` does the same with 200 commits and 60 kills on every stack. */
const SEED = 20_261_122;
const TIMEOUT_MS = 420_000;

async function verdictOf(options: Partial<ChaosOptions>): Promise<{ violations: readonly string[]; said: string }> {
  const said: string[] = [];
  const { evidence } = await runChaos({
    stack: 'embedded',
    seed: SEED,
    commits: 2,
    kills: 0,
    outageMs: 1000,
    phases: ALL_PHASES,
    sabotage: null,
    beside: null,
    say: (text) => said.push(text),
    ...options,
  });
  return { violations: judge(evidence).violations, said: said.join('\n') };
}

describe('chaos on the embedded default', () => {
  it(
    'loses nothing and repeats nothing while every kind of process is killed',
    async () => {
      const { violations, said } = await verdictOf({ commits: 24, kills: 2, outageMs: 5000 });
      expect(violations.length > 0 ? [...violations, said].join('\n') : '').toBe('');
    },
    TIMEOUT_MS,
  );

  it.each<Guarantee>(GUARANTEES)(
    'notices when a guarantee is switched off: %s',
    async (sabotage) => {
      const { phase, violation } = DEMONSTRATIONS[sabotage];
      const { violations, said } = await verdictOf({ sabotage, phases: [phase] });
      const isNoticed = violations.some((one) => one.startsWith(violation));
      expect({ isNoticed, violations, said }).toEqual({ isNoticed: true, violations, said });
    },
    TIMEOUT_MS,
  );
});
