import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { messageOf, MillraceError } from '@millrace/domain';
import type { WorkerConnection } from '@millrace/worker-protocol';
import type { Refusal } from '../core/login-failures.js';
import { type Connection, Connections } from './connections.js';
import type { LoginResult } from './login.js';
import { Refusals } from './refusals.js';
import { type SessionSocket, WorkerSessions } from './sessions.js';
import type { LoggedInWorker } from './tokens.js';

/** A connection that says whose it is, whatever it speaks. */
export interface Entering {
  readonly name: string;
  readonly connection: Connection;
  /** It is still there to hear the answer. */
  isOpen(): boolean;
  /** Says no in the words of its protocol. */
  refuse(reason: Refusal): void;
}

/** The way in, the same for every kind of connection: login, a place, no other of that name, a session. */
@Injectable()
export class Entrance {
  constructor(
    private readonly connections: Connections,
    private readonly refusals: Refusals,
    private readonly sessions: WorkerSessions,
  ) {}

  /** Null: it was refused, or has gone while it had to wait for the answer. */
  async enter(login: LoginResult, entering: Entering): Promise<LoggedInWorker | null> {
    const { name, connection } = entering;
    const isIn = 'worker' in login && this.connections.admit(connection);
    if (isIn) connection.isLoggedIn = true;
    // Who is refused for want of room need not wait for that.
    if (login.afterMs > 0 && (isIn || 'refused' in login)) await delay(login.afterMs, undefined, { ref: false });
    if (!entering.isOpen()) return null;
    if (isIn) return login.worker;
    const reason = 'refused' in login ? login.refused : 'full';
    this.refusals.refused(reason, name, connection);
    entering.refuse(reason);
    return null;
  }

  /** Gives a worker that has entered its session; `giveUp` ends the connection of one that does not get any. */
  async attach(
    session: WorkerConnection,
    socket: SessionSocket,
    worker: LoggedInWorker,
    { connection, giveUp, refuseDuplicate, onBegin }: AttachOptions,
  ): Promise<void> {
    try {
      await this.sessions.displaceEarlier(worker);
    } catch (error) {
      const isDuplicate = error instanceof MillraceError && error.code === 'duplicate-worker';
      this.refusals.refused(isDuplicate ? 'duplicate' : 'attach-failed', worker.name, connection, messageOf(error));
      return isDuplicate ? refuseDuplicate() : giveUp();
    }
    onBegin?.();
    try {
      await this.sessions.attach(session, socket, worker);
    } catch (error) {
      this.refusals.refused('attach-failed', worker.name, connection, messageOf(error));
      giveUp();
    }
  }
}

export interface AttachOptions {
  readonly connection: Connection;
  readonly giveUp: () => void;
  /** Ends it because another one of its name is connected, and says so. */
  readonly refuseDuplicate: () => void;
  /** Nobody else is connected under that name. */
  readonly onBegin?: () => void;
}
