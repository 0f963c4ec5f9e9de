import { describe, expect, it } from '@jest/globals';
import { SendWindow } from './send-window.js';

describe('SendWindow', () => {
  it('closes at its limit and opens again at half of it', async () => {
    const window = new SendWindow(100);
    window.add(60);
    expect(window.isOpen).toBe(true);
    window.add(40);
    expect(window.isOpen).toBe(false);
    const order: string[] = [];
    const both = Promise.all([window.whenOpen(), window.whenOpen()]).then(() => order.push('open'));
    window.remove(40);
    await Promise.resolve();
    order.push('still shut');
    window.remove(20);
    await both;
    expect(order).toEqual(['still shut', 'open']);
  });
});
