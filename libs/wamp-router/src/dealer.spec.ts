import { describe, expect, it } from '@jest/globals';
import { Dealer } from './dealer.js';

describe('Dealer', () => {
  it('passes an answer to the caller once, and only from the callee that was called', () => {
    const dealer = new Dealer<string>();
    const { id } = dealer.invoke(dealer.register('callee', 'p')!, 'caller', 7)!;
    expect(dealer.settle('stranger', id)).toBeUndefined();
    expect(dealer.settle('callee', id)).toMatchObject({ caller: 'caller', callRequest: 7 });
    expect(dealer.settle('callee', id)).toBeUndefined();
  });

  it('returns the calls that a leaving callee will never answer, and forgets those of a leaving caller', () => {
    const dealer = new Dealer<string>();
    const registration = dealer.register('callee', 'p')!;
    dealer.invoke(registration, 'one', 1);
    const second = dealer.invoke(registration, 'two', 2)!;
    expect(dealer.removeSession('two')).toEqual([]);
    expect(dealer.settle('callee', second.id)).toBeUndefined();
    expect(dealer.removeSession('callee').map(({ caller }) => caller)).toEqual(['one']);
    expect(dealer.find('p')).toBeUndefined();
  });

  it('bounds the pending calls of one callee, without affecting others', () => {
    const dealer = new Dealer<string>();
    const registration = dealer.register('callee', 'p')!;
    let accepted = 0;
    while (dealer.invoke(registration, 'caller', accepted + 1)) accepted++;
    expect(accepted).toBe(1_000);
    expect(dealer.invoke(dealer.register('other', 'q')!, 'caller', accepted + 1)).toBeDefined();
    expect(dealer.cancel('caller', 1)).toBe(true);
    expect(dealer.invoke(registration, 'caller', accepted + 2)).toBeDefined();
  });

  it('bounds the registrations of one callee', () => {
    const dealer = new Dealer<string>();
    for (let n = 0; n < 10_000; n++) expect(dealer.register('callee', `p.${n}`)).toBeDefined();
    expect(dealer.register('callee', 'p')).toBeUndefined();
    expect(dealer.register('other', 'p')).toBeDefined();
    expect(dealer.unregister('callee', dealer.find('p.7')!.id)).toBe(true);
    expect(dealer.register('callee', 'q')).toBeDefined();
  });
});
