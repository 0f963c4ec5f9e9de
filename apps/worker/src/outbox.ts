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

/** A connection to a master. */
export interface Link {
  readonly session: MsgpackWorkerSession;
  readonly window: SendWindow;
}

export type CommandEvent = Exclude<CommandUpdate, { text: string }>;

export interface OutboxOwner {
  /** Called when a master follows the command and has acknowledged everything, so that gathered output may be sent. */
  idle(): void;
  /** Called when the outcome has been acknowledged, so that nothing has to be held any more. */
  delivered(): void;
  /** Called when nothing of the command can reach a master any more: it is to be dropped, and the command to be ended. */
  broken(): void;
}

/** An update that was sent and not yet acknowledged. Updates from the spool are kept there, others in memory. */
interface Sent {
  readonly record: EncodedUpdates | undefined;
  readonly spoolEnd: number;
  isAcknowledged: boolean;
}

/**
 * The numbered updates and the outcome of one command, until a master has acknowledged them. While no master follows the command they go to
 * the spool. A master that takes the command over gets them from there, in order and through its window, followed by new ones.
 *
 * In the order of their numbers there are: those sent from the spool, unread ones in the spool, those sent from memory, those waiting in
 * memory. Nothing is sent from memory before the spool has been read.
 */
export class Outbox {
  private link: Link | undefined;
  /** True when the master refuses this command's updates: it gets only the end. */
  private isRefused = false;
  private isDropped = false;
  /** Number up to which all updates were acknowledged. */
  private acknowledgedTo = 0;
  /** Replaced by a new array after each change of the link, so that late answers to an earlier one have no effect. */
  private sent: Sent[] = [];
  /** Updates that the spool did not take, or that were not sent since it was drained. */
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

  /** True when nothing is being sent and everything may be sent. */
  get isIdle(): boolean {
    return this.isLive && !this.hasUnsent && this.sent.length === 0;
  }

  /** True when too much is being sent, or waits for a master. Sources of output stop until `whenWritable`. */
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

  /** Begins to send to a master that follows the command. */
  attach(link: Link): void {
    if (this.isDropped) return;
    this.detach();
    this.link = link;
    this.isEndSaid = false;
    if (this.events.size > 0) {
      const { acknowledged } = link.session.sendUpdates(this.commandId, [...this.events.values()], 0);
      // Rejected updates are repeated to the next master.
      acknowledged.catch(() => undefined);
    }
    void this.drain(link);
  }

  /** Stops sending until a master follows the command again. */
  detach(): void {
    this.link = undefined;
    this.takeBack();
  }

  /** Records an event for masters that were not there when it happened. */
  note(event: CommandEvent): void {
    this.events.set(event.kind, event);
  }

  post(record: EncodedUpdates): void {
    if (this.isDropped) return;
    if (this.link !== undefined && this.isLive && !this.hasUnsent) return this.send(this.link, record);
    this.kept.push(record);
    this.stow();
  }

  /** Records the outcome, after everything else has been posted. */
  finish(failure: string | null): void {
    this.end = { failure };
    this.sayEnd();
  }

  /** Drops everything, including later updates. */
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
      // Nothing may be sent after a gap: for its master the command ends with the read error.
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

  /** The master cannot store the updates, or does not know the command. Another master may want them. */
  private refused(): void {
    this.isRefused = true;
    this.takeBack(true);
    this.sayEnd();
  }

  /** Makes sent and unacknowledged updates wait again. */
  private takeBack(isRefused = false): void {
    const unacknowledged = this.sent.flatMap(({ record }) => record ?? []);
    this.kept = [...unacknowledged, ...this.kept];
    this.sent = [];
    this.isRefused = isRefused;
    this.file.rewind();
    this.stow();
    this.reconsider();
  }

  /** Moves waiting updates from memory to the spool, as far as that keeps the order. */
  private stow(): void {
    if (this.sent.at(-1)?.record !== undefined) return;
    while (this.kept[0] !== undefined && this.file.append(this.kept[0].bytes)) this.kept.shift();
  }

  /** Sends the end. A master that refuses updates gets it too, because it waits for it. */
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

  /** Waits for room where output currently goes. The end of draining is noticed without it. */
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
