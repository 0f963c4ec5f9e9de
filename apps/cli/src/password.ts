import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { Writable } from 'node:stream';
import { UserError } from '@millrace/domain';

/**
 * Asks for a password: twice and without showing it at a terminal, otherwise the first line of the standard input.
 * @throws UserError `bad-password` when the two differ
 */
export async function askPassword(username: string): Promise<string> {
  if (!process.stdin.isTTY) return (await text(process.stdin)).split('\n', 1)[0]!.replace(/\r$/, '');
  const ask = async (question: string): Promise<string> => {
    process.stderr.write(question);
    const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
    const lines = createInterface({ input: process.stdin, output: silent, terminal: true });
    try {
      return await new Promise<string>((resolve, reject) => {
        lines.once('line', resolve);
        lines.once('SIGINT', () => reject(new UserError('interrupted', 'no password was given')));
        lines.once('close', () => reject(new UserError('interrupted', 'no password was given')));
      });
    } finally {
      lines.close();
      process.stderr.write('\n');
    }
  };
  const password = await ask(`Password of ${username}: `);
  if ((await ask('The same again: ')) !== password) throw new UserError('bad-password', 'the two passwords differ');
  return password;
}
