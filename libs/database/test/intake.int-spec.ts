import { expect, it } from '@jest/globals';
import { IntakeStore, type NewChange, openDatabase } from '@millrace/database';
import { onEveryDatabase } from './databases.js';

const change = (key: string, branch = 'main'): NewChange => ({
  dedupKey: key,
  author: 'Ada <ada@example.org>',
  committer: null,
  comments: `message of ${key} ✓`,
  branch,
  revision: key,
  revlink: '',
  category: null,
  repository: 'file:///r',
  project: 'p',
  codebase: '',
  whenMs: 1000,
  files: ['a.c', 'ö\u{1F600}.c'],
  properties: {},
});
onEveryDatabase('intake', (get) => {
  it('makes one change of a repeated delivery, also when it comes twice at once', async () => {
    const stores = [new IntakeStore(get().db), new IntakeStore(openDatabase(get().url))];
    const answers = await Promise.all(
      stores.map((store) => store.addChanges([change('once-1'), change('once-2'), change('once-1')])),
    );
    expect(answers.flat()).toHaveLength(2);
    const [stored] = await stores[0]!.changes([answers.flat()[0]!]);
    expect(stored).toMatchObject({ comments: 'message of once-1 ✓', files: ['a.c', 'ö\u{1F600}.c'] });
  });

  it('numbers changes in the order in which they become visible, whichever master adds them', async () => {
    const stores = [
      new IntakeStore(get().db),
      new IntakeStore(openDatabase(get().url)),
      new IntakeStore(openDatabase(get().url)),
    ];
    const reader = new IntakeStore(get().db);
    let cursor = (await reader.changesAfter(0, 1000)).at(-1)?.seq ?? 0;
    const begin = cursor;
    const seen: number[] = [];
    let writing = true;
    const reading = (async () => {
      for (;;) {
        const wasWriting = writing;
        for (const next of await reader.changesAfter(cursor, 1000)) {
          seen.push(next.seq);
          cursor = next.seq;
        }
        if (!wasWriting) return;
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    await Promise.all(
      stores.flatMap((store, s) => Array.from({ length: 20 }, (_, i) => store.addChanges([change(`order-${s}-${i}`)]))),
    );
    writing = false;
    await reading;
    expect(seen).toEqual(Array.from({ length: 60 }, (_, i) => begin + i + 1));
  });

  it('refuses changes that do not fit, naming the field, and shortens fields that may be shortened', async () => {
    const intake = new IntakeStore(get().db);
    await expect(intake.addChanges([{ ...change('long'), branch: 'b'.repeat(191) }])).rejects.toMatchObject({
      code: 'value-too-long',
      fields: { field: 'branch' },
    });
    const [id] = await intake.addChanges([{ ...change('big'), comments: 'x'.repeat(10 << 20) }]);
    const [stored] = await intake.changes([id!]);
    expect(stored!.comments.length).toBeLessThan(300_000);
    expect(stored!.comments).toMatch(/more characters are in the repository\]$/);
  });
});
