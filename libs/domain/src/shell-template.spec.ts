import { spawnSync } from 'node:child_process';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { NO_SOURCE } from './source-stamps.js';
import { commandPlaceholders, interpolateCommand, interpolatePath } from './shell-template.js';

const PLAIN = { plain: true };
const sources = (value: string) =>
  ({ properties: { x: [value, 't'], f: [false, 't'] }, sourceStamps: [{ ...NO_SOURCE, branch: value }] }) as const;
const render = (template: string, value: string, system = 'posix') =>
  interpolateCommand(template, sources(value), PLAIN, system);
const said = (command: string, shell = '/bin/sh') =>
  spawnSync(shell, ['-c', command], { encoding: 'utf8', env: { PATH: process.env['PATH'], HOME: '/nowhere' } });

/** Commands that print only the value, if the value is one word or part of one. */
const PLACES = [
  `printf %s %(prop:x)s`,
  `printf %s "%(prop:x)s"`,
  `printf %s '%(prop:x)s'`,
  `printf %s "$(printf %s %(prop:x)s; printf .)" | sed '$s/.$//'`,
  `printf %s "$(printf %s "%(prop:x)s"; printf .)" | sed '$s/.$//'`,
  `(printf %s '%(prop:x)s')`,
  `V=%(prop:x)s; printf %s "$V"`,
  `: it\\'s; printf %s %(src::branch)s # it's`,
  `# don't\nprintf %s %(prop:x)s`,
  `: "it's"; printf %s "%(prop:x)s"`,
  `: 'say "'; printf %s %(prop:x)s`,
  `: "\\""; printf %s %(prop:x)s`,
  `: $(: "a)b" ')' (: x)); printf %s %(prop:x)s`.replace('(: x)', ''),
  `: a#b; printf %s %(prop:x)s`,
  `printf %s %(prop:no:-)s%(prop:x)s%(prop:no:+"')s`,
];

const hostile = fc
  .oneof(
    fc.string({
      unit: fc.constantFrom(
        "'",
        '"',
        '`',
        '$',
        '(',
        ')',
        '\\',
        ';',
        'id',
        '\n',
        ' ',
        '#',
        '&',
        '|',
        '%',
        '!',
        '*',
        '~',
        '-',
        'a',
        '{',
        '}',
        '<',
        '>',
      ),
    }),
    fc.string({ unit: 'grapheme' }),
    fc.constantFrom('x;id', '$(id)', '`id`', `'; id; '`, `"; id; "`, `'"'"'$(id)`, '\\', `\\'`, '-n', '\n id', '#'),
  )
  .filter((value) => !value.includes('\0') && Buffer.from(value).toString() === value);

/** Parts of an author's command. There are no redirections into files. */
const TOKENS = [
  `'`,
  `"`,
  '\\',
  '\\\n',
  '$',
  '$(',
  ')',
  '(',
  '`',
  '${',
  '}',
  ' ',
  '\n',
  '#',
  'a',
  ';',
  '<',
  '<<',
  '|',
  ': ',
  'case ',
  'ca',
  'se x in x) ',
  'x in a) ',
  '{ ',
  ' &',
];
const SAYS = 'echo ESC""APED >&2';
const ESCAPES = [
  `;${SAYS};`,
  `$(${SAYS})`,
  `\`${SAYS}\``,
  `'$(${SAYS})'`,
  `"$(${SAYS})"`,
  `\n${SAYS}\n`,
  `);${SAYS};(`,
  `'\n${SAYS}\n'`,
  `}\n${SAYS}\n`,
  `"\n${SAYS}\n"`,
  `\\\n${SAYS}\n`,
];

describe('interpolateCommand', () => {
  it.each(PLACES)('makes any value part of one word: %j', (template) => {
    fc.assert(
      fc.property(hostile, (value) => {
        const { stdout, stderr } = said(render(template, value));
        // The shell drops newlines at the end of $(…). The dot at the end prevents that.
        expect({ stdout, stderr }).toEqual({ stdout: value, stderr: '' });
      }),
      { numRuns: 20 },
    );
  });

  it('never lets a value out of its word, wherever the author has put the placeholder', () => {
    const token = fc.constantFrom(...TOKENS, '%(prop:x)s', '%(prop:x)s', '%(prop:x)s');
    const template = fc.array(token, { maxLength: 12 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(
        template,
        fc.constantFrom(...ESCAPES),
        fc.constantFrom('/bin/sh', '/bin/bash'),
        (given, value, shell) => {
          let command: string;
          try {
            command = render(given, value);
          } catch (error) {
            expect(error).toMatchObject({ code: 'interpolation' });
            return;
          }
          const { stdout, stderr } = said(command, shell);
          expect([command, stdout + stderr]).toEqual([command, expect.not.stringContaining('ESCAPED')]);
        },
      ),
      { numRuns: Number(process.env['MILLRACE_FUZZ_RUNS'] ?? 200) },
    );
  });

  it.each([
    ['after a backslash', 'echo \\%(prop:x)s'],
    ['after a dollar sign', 'echo $%(prop:x)s'],
    ['between backquotes', 'echo `echo %(prop:x)s`'],
    ['in an expansion', 'echo "${Y:-%(prop:x)s}"'],
    ['in arithmetic', 'echo $((1 + %(prop:x)s))'],
    ['in ((', '((%(prop:x)s))'],
    ["in $'", "echo $'%(prop:x)s'"],
    ['in a here-document', 'cat <<END\n%(prop:x)s\nEND'],
    ['in a comment', 'true # %(prop:x)s'],
    ['after case', 'x=$(case a in a) echo "%(prop:x)s";; esac)'],
  ])('refuses a value %s', (_what, template) => {
    expect(() => render(template, 'x')).toThrow(expect.objectContaining({ code: 'interpolation' }));
    expect(commandPlaceholders(template, PLAIN).problem).toMatch(
      /^%\(prop:x\)s stands .*; give the command as a list/s,
    );
  });

  it.each([
    ['echo %(raw:prop:x)s', 'a b', 'echo a b'],
    ['echo %(prop:no:-a b)s', '', 'echo a b'],
    ['make %(prop:x:+--flag a)s', 'y', 'make --flag a'],
    ['make %(prop:no:+--flag)s', 'y', 'make '],
    ['make %(prop:no)s', 'y', "make ''"],
    ['make %(prop:f:~all)s', 'y', 'make all'],
    ['date +%s', 'y', 'date +%s'],
    [`echo %(raw:prop:x)s%(prop:x)s`, `'`, `echo ''\\''`],
  ])('%j with %j is %j', (template, value, expected) => expect(render(template, value)).toBe(expected));

  it.each(['x&calc', '%PATH%', 'a b', '"', '^', '', 'ä'])('refuses %j for cmd.exe', (value) => {
    expect(() => render('echo %(prop:x)s', value, 'nt')).toThrow(/cmd\.exe|empty/);
    expect(render('echo %(prop:x)s', 'feature/x-1.2', 'nt')).toBe('echo feature/x-1.2');
  });

  it('refuses values that cannot be in a command, and results that are too long', () => {
    expect(() => render('echo %(prop:x)s', 'a\0b')).toThrow(/null character/);
    expect(() => render('echo %(prop:x)s%(prop:x)s', 'x'.repeat(600_000))).toThrow(/more than 1048576 characters/);
  });

  it('tells which placeholders are quoted and which are not', () => {
    expect(commandPlaceholders('a %(prop:x)s %(raw:src::branch)s %(prop:y:+z)s', PLAIN)).toEqual({
      quoted: ['%(prop:x)s'],
      raw: ['%(raw:src::branch)s'],
      problem: null,
    });
  });
});

describe('interpolatePath', () => {
  it.each([
    ['build', 'x', 'build'],
    ['%(prop:x)s', 'feature/x', 'feature/x'],
    ['out/%(prop:x)s.tar', 'a..b', 'out/a..b.tar'],
    ['/srv/%(prop:x)s', 'a', '/srv/a'],
    ['../%(prop:x)s', 'a', '../a'],
    ['~/%(prop:x)s', 'a', '~/a'],
    ['%(prop:no:-/srv)s', 'a', '/srv'],
  ])('%j with %j is %j', (template, value, path) =>
    expect(interpolatePath(template, sources(value), PLAIN)).toBe(path),
  );

  it.each([
    ['%(prop:x)s', '/etc'],
    ['%(prop:x)s', '~/.ssh'],
    ['%(prop:x)s', 'C:\\x'],
    ['%(prop:x)s', '\\\\host'],
    ['a/%(prop:x)s', '../../b'],
    ['a/%(prop:x)s', 'b\\..\\..\\c'],
    ['a/.%(prop:x)s/b', '.'],
    ['a/%(prop:x)s%(prop:x)s', '.'],
    ['../%(prop:x)s', '..'],
    ['a/%(prop:x)s', 'b\0'],
    ['%(raw:prop:x)s', '..'],
  ])('%j with %j is refused', (template, value) => {
    expect(() => interpolatePath(template, sources(value), PLAIN)).toThrow(
      expect.objectContaining({ code: 'interpolation' }),
    );
  });
});
