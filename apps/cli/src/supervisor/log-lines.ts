import { styleText } from 'node:util';
import pretty from 'pino-pretty';

const COLOURS = ['cyan', 'magenta', 'yellow', 'green', 'blue', 'red'] as const;

/** Makes the JSON log lines of the processes readable, each with the name of its process before it. */
export class LogLines {
  private readonly format = pretty.prettyFactory({
    colorize: process.stdout.isTTY,
    singleLine: true,
    ignore: 'pid,hostname,role,master,component',
    translateTime: 'SYS:HH:MM:ss.l',
  });
  private readonly names = new Map<string, string>();

  write(name: string, line: string): void {
    const text = line.startsWith('{') ? this.format(line) : `${line}\n`;
    process.stdout.write(`${this.label(name)} ${text}`);
  }

  private label(name: string): string {
    let label = this.names.get(name);
    if (label === undefined) {
      const padded = name.padEnd(9);
      label = process.stdout.isTTY ? styleText(COLOURS[this.names.size % COLOURS.length]!, padded) : padded;
      this.names.set(name, label);
    }
    return label;
  }
}
