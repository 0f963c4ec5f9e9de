import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LINE_SHOWN, Pen, resets } from './pen.js';

const ESC = '\u001b';
const shown = (pen: Pen, line: string): string => {
  const painted = pen.paint(line);
  return 'text' in painted ? painted.text : painted.html;
};
const seen = (html: string): string => html.replace(/<[^>]*>/g, '');

describe('Pen', () => {
  it.each([
    ['plain', 'plain'],
    ['<b>&', '<b>&'],
    [`${ESC}[1m<b>&`, '<span style="font-weight:bold">&lt;b&gt;&amp;</span>'],
    [`a${ESC}[31mb${ESC}[0mc`, 'a<span class="ansi-red-fg">b</span>c'],
    [`${ESC}[38;2;1;2;3mx`, '<span style="color:rgb(1,2,3)">x</span>'],
    ['10 %\r20 %\r\r', '20 %'],
    [`${ESC}[32m10 %\r20 %`, '<span class="ansi-green-fg">20 %</span>'],
    [`${ESC}[2Kdone${ESC}[?25h`, 'done'],
    [`${ESC}]0;title\u0007text`, 'text'],
    [`${ESC}]8;;https://example.org${ESC}\\link${ESC}]8;;${ESC}\\`, 'link'],
    [`${ESC}]8;;https://example.org`, ''],
    [`${ESC}(Btext${ESC}=${ESC}M`, 'text'],
    [`${ESC}Pdata${ESC}\\text`, 'text'],
    [`${ESC}[4:3mtext`, 'text'],
    [`${ESC}[${'1;'.repeat(1000)}1mtext`, 'text'],
    [`text${ESC}[`, 'text'],
    [`text${ESC}`, 'text'],
    ['', ''],
    ['\r\r', ''],
  ])('paints %j as %j', (line, expected) => expect(shown(Pen.plain(), line)).toBe(expected));

  it.each([
    [`${ESC}[31m`, `${ESC}[0m`],
    [`${ESC}[31m`, `${ESC}[m`],
    [`${ESC}[31m`, `${ESC}[39m`],
    [`${ESC}[42m`, `${ESC}[49m`],
    [`${ESC}[1;4m`, `${ESC}[22;24m`],
    [`${ESC}[38;5;100m`, `${ESC}[00m`],
  ])('holds %j over lines until %j', (on, off) => {
    const pen = Pen.plain();
    const first = shown(pen, `${on}x`);
    expect(first).not.toBe('x');
    expect([shown(pen, 'x'), shown(pen, 'x')]).toEqual([first, first]);
    expect(shown(pen, `${off}x`)).toBe('x');
    expect(pen.paint('x')).toEqual({ text: 'x' });
  });

  it('shows a line completely even if the line before it broke off within a sequence', () => {
    for (const open of ['[', '[31', ']8;;', ']0;title', 'P', '(', '']) {
      const pen = Pen.plain();
      pen.paint(`text${ESC}${open}`);
      expect(shown(pen, 'next')).toBe('next');
    }
  });

  it('cuts long lines, but keeps all their colours', () => {
    const pen = Pen.plain();
    const html = shown(pen, `${'x'.repeat(LINE_SHOWN - 2)}${ESC}[31m${'y'.repeat(5)}`);
    expect(seen(html)).toMatch(/x… \(10,008 characters\)$/);
    expect(shown(pen, 'next')).toBe('<span class="ansi-red-fg">next</span>');
    expect(shown(Pen.plain(), 'x'.repeat(LINE_SHOWN + 1))).toMatch(/^x{10000}… \(10,001 characters\)$/);
  });

  it.each([
    ['carriage returns', '\r'],
    ['escapes', ESC],
    ['sequences', `${ESC}[31m`],
    ['links', `${ESC}]8;`],
    ['parameters', `${ESC}[1;`],
    ['strings', `${ESC}P`],
  ])('takes a megabyte of %s in time', (_name, piece) => {
    const line = piece.repeat(Math.ceil(1_000_000 / piece.length));
    const before = performance.now();
    for (const end of ['', 'x']) shown(Pen.plain(), line + end);
    expect(performance.now() - before).toBeLessThan(20_000);
  });

  const anyLine = fc
    .array(
      fc.oneof(
        fc.constantFrom(ESC, '[', ']', '0', '3', '8', '1', ';', 'm', 'K', '\r', '\u0007', '<', '\\'),
        fc.string(),
      ),
    )
    .map((pieces) => pieces.join(''));

  it('never passes markup through', () => {
    fc.assert(
      fc.property(fc.array(anyLine), (lines) => {
        const pen = Pen.plain();
        for (const line of lines) {
          const painted = pen.paint(line);
          if ('html' in painted) expect(seen(painted.html)).not.toMatch(/[<>]/);
        }
      }),
    );
  });

  it('continues from a copy as from the original, and is plain after a reset', () => {
    fc.assert(
      fc.property(fc.array(anyLine), fc.array(anyLine), (before, after) => {
        const pen = Pen.plain();
        for (const line of before) pen.paint(line);
        const copy = pen.copy();
        const painted = after.map((line) => shown(pen, line));
        expect(after.map((line) => shown(copy, line))).toEqual(painted);
        const last = `${ESC}[m`;
        expect(resets(last)).toBe(true);
        pen.paint(last);
        expect(pen.paint('x')).toEqual({ text: 'x' });
      }),
    );
  });

  it('paints the lines after a reset independently of everything before it', () => {
    fc.assert(
      fc.property(
        anyLine,
        anyLine,
        fc.constantFrom('[m', '[0m', '[00;1m', '[;31m', '[0;38;5;9m'),
        (before, rest, reset) => {
          const line = `${rest.replaceAll(ESC, '')}${ESC}${reset}`;
          fc.pre(resets(line));
          const pens = [Pen.plain(), Pen.plain()];
          pens[0]!.paint(before);
          for (const pen of pens) pen.paint(line);
          expect(shown(pens[0]!, 'x')).toBe(shown(pens[1]!, 'x'));
        },
      ),
    );
  });
});
