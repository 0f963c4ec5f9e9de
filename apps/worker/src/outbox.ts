import { messageOf } from '@millrace/domain';
import {
  type CommandUpdate,
  encodedUpdates,
  type EncodedUpdates,
  type MsgpackWorkerSession,
  RemoteError,
} from '@millrace/worker-protocol';
import type { Log } from './log.js';
import type { SendWindow } from './send-window.js';
import type { Spool, SpoolFile } from './spool.js';

/** The way to a master. */
export interface Link {
  readonly session: MsgpackWorkerSession;
  readonly window: SendWindow;
}

export type CommandEvent = Exclude<CommandUpdate, { text: string }>;

export interface OutboxOwner {
  /** A master follows the command and has acknowledged all of it: what is gathered may go out. */
  idle(): void;
  /** The outcome has arrived: nothing is left to be held. */
  delivered(): void;
  /** Nothing of the command can reach a master any more: it is to be dropped, and the command to be ended. */
  broken(): void;
}

/** An update that was sent and not yet acknowledged: one from the spool is kept there, the others here. */
interface Sent {
  readonly record: EncodedUpdates | undefined;
  readonly spoolEnd: number;
  isAcknowledged: boolean;
}

/**
 * The numbered updates and the outcome of one command, until a master has acknowledged them. While none follows the command they go to the spool;
 * one that takes the command over gets them from there, in order and through its window, and live ones after them.
 *
 * In order of their numbers: those sent from the spool, the spool's unread ones, those sent from memory, those that wait in memory. There is
 * never something sent from memory before something unread in the spool.
 */
export class Outbox {
  private link: Link | undefined;
  /** The master refuses this command's updates: it hears of the end only. */
  private isRefused = false;
  private isDropped = false;
  /** The number of the last update that was acknowledged with all before it. */
  private acknowledgedTo = 0;
  /** Another array after each change of the link: late answers to an earlier one count for nothing. */
  private sent: Sent[] = [];
  /** Not taken by the spool, or not sent since it was drained. */
  private kept: EncodedUpdates[] = [];
  private readonly file: SpoolFile;
  private readonly events = new Map<string, CommandEvent>();
  private end: { readonly failure: string | null } | undefined;
  private isEndSaid = false;
  private waiting: (() => void)[] = [];
  private watched: Link | Spool | undefined;

  constructor(
    private readonly commandId: string,
    private readonly spool: Spool,
    private readonly owner: OutboxOwner,
    private readonly log: Log,
  ) {
    this.file = spool.file();
  }

  /** Nothing is on its way and everything may go. */
  get isIdle(): boolean {
    return this.isLive && !this.hasUnsent && this.sent.length === 0;
  }

  /** Too much is under way, or waits for a master: sources of output stop until `whenWritable`. */
  get isBlocked(): boolean {
    if (this.isDropped) return false;
    if (this.isLive) return this.hasUnsent || !this.link?.window.isOpen;
    return this.kept.length > 0 || !this.spool.hasRoom;
  }

  whenWritable(): Promise<void> {
    if (!this.isBlocked) return Promise.resolve();
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      this.watch();
    });
  }

  /** A master follows the command from here on. */
  attach(link: Link): void {
    if (this.isDropped) return;
    this.detach();
    this.link = link;
    this.isEndSaid = false;
    if (this.events.size > 0) {
      const { acknowledged } = link.session.sendUpdates(this.commandId, [...this.events.values()], 0);
      // They are repeated to whoever comes next.
      acknowledged.catch(() => undefined);
    }
    void this.drain(link);
  }

  /** Nobody follows the command: nothing is sent until somebody does. */
  detach(): void {
    this.link = undefined;
    this.takeBack();
  }

  /** Remembers an event for masters that were not there when it was said. */
  note(event: CommandEvent): void {
    this.events.set(event.kind, event);
  }

  post(record: EncodedUpdates): void {
    if (this.isDropped) return;
    if (this.link !== undefined && this.isLive && !this.hasUnsent) return this.send(this.link, record);
    this.kept.push(record);
    this.stow();
  }

  /** The command has ended and everything else has been posted. */
  finish(failure: string | null): void {
    this.end = { failure };
    this.sayEnd();
  }

  /** Forgets everything, whatever comes. */
  drop(): void {
    this.isDropped = true;
    this.link = undefined;
    this.sent = [];
    this.kept = [];
    this.file.drop();
    this.reconsider();
  }

  private get isLive(): boolean {
    return this.link !== undefined && !this.isRefused;
  }

  private get hasUnsent(): boolean {
    return this.file.hasUnread || this.kept.length > 0;
  }

  private async drain(link: Link): Promise<void> {
    const { sent } = this;
    while (this.hasUnsent) {
      // Awaited every time, so that commands that are drained at the same time take turns.
      await link.window.whenOpen();
      if (sent !== this.sent) return;
      if (!this.file.hasUnread) this.send(link, this.kept.shift()!);
      else if (!this.sendSpooled(link)) return;
    }
    this.sayEnd();
    this.reconsider();
    if (this.isIdle) this.owner.idle();
  }

  private sendSpooled(link: Link): boolean {
    try {
      const { record, end } = this.file.read();
      this.send(link, encodedUpdates(record), end);
      return true;
    } catch (error) {
      // Nothing after a gap may be sent: the command ends for its master with what could not be read.
      this.log.error('spooled output cannot be read', { id: this.commandId, reason: messageOf(error) });
      link.session.complete(this.commandId, `the worker lost output: ${messageOf(error)}`).catch(() => undefined);
      this.owner.broken();
      return false;
    }
  }

  private send(link: Link, record: EncodedUpdates, spoolEnd = 0): void {
    const { sent } = this;
    const message: Sent = { record: spoolEnd > 0 ? undefined : record, spoolEnd, isAcknowledged: false };
    const number = this.acknowledgedTo + sent.push(message);
    const { bytes, acknowledged } = link.session.sendUpdates(this.commandId, record, number);
    link.window.add(bytes);
    acknowledged.then(
      () => {
        link.window.remove(bytes);
        if (sent === this.sent) this.acknowledged(message);
      },
      (error: unknown) => {
        link.window.remove(bytes);
        if (sent === this.sent && error instanceof RemoteError) this.refused();
      },
    );
  }

  private acknowledged(message: Sent): void {
    message.isAcknowledged = true;
    while (this.sent[0]?.isAcknowledged) {
      const { spoolEnd } = this.sent.shift()!;
      this.acknowledgedTo += 1;
      if (spoolEnd > 0) this.file.acknowledge(spoolEnd);
    }
    if (this.isIdle) this.owner.idle();
  }

  /** The master cannot store what it is sent, or does not know the command: another one may want it. */
  private refused(): void {
    this.isRefused = true;
    this.takeBack(true);
    this.sayEnd();
  }

  /** What was sent and not acknowledged waits again. */
  private takeBack(isRefused = false): void {
    const unacknowledged = this.sent.flatMap(({ record }) => record ?? []);
    this.kept = [...unacknowledged, ...this.kept];
    this.sent = [];
    this.isRefused = isRefused;
    this.file.rewind();
    this.stow();
    this.reconsider();
  }

  /** Moves what waits from memory to the spool, as far as that keeps the order. */
  private stow(): void {
    if (this.sent.at(-1)?.record !== undefined) return;
    while (this.kept[0] !== undefined && this.file.append(this.kept[0].bytes)) this.kept.shift();
  }

  /** A master that refuses updates is told of the end too: it waits for that. */
  private sayEnd(): void {
    const { link, end } = this;
    if (link === undefined || end === undefined || this.isEndSaid || (!this.isRefused && this.hasUnsent)) return;
    this.isEndSaid = true;
    link.session.complete(this.commandId, end.failure).then(
      () => {
        this.drop();
        this.owner.delivered();
      },
      (error: unknown) =>
        this.log.warn('nobody takes the end of a command: it is kept', {
          id: this.commandId,
          reason: messageOf(error),
        }),
    );
  }

  private reconsider(): void {
    if (this.waiting.length === 0) return;
    if (!this.isLive) this.stow();
    if (this.isBlocked) return this.watch();
    const { waiting } = this;
    this.waiting = [];
    for (const go of waiting) go();
  }

  /** Looks again when there is room on the way that output takes now; the end of draining is noticed without that. */
  private watch(): void {
    if (this.isLive && this.hasUnsent) return;
    const way = this.isLive ? this.link! : this.spool;
    if (this.watched === way) return;
    this.watched = way;
    void ('window' in way ? way.window.whenOpen() : way.whenRoom()).then(() => {
      if (this.watched !== way) return;
      this.watched = undefined;
      this.reconsider();
    });
  }
}
