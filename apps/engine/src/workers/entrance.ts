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

/** A connection that logs in, over any protocol. */
export interface Entering {
  readonly name: string;
  readonly connection: Connection;
  /** Whether the connection is still open to receive the answer. */
  isOpen(): boolean;
  /** Refuses the login in the connection's own protocol. */
  refuse(reason: Refusal): void;
}

/** The login of every kind of connection: credentials, a place, no other session of that name, a new session. */
@Injectable()
export class Entrance {
  constructor(
    private readonly connections: Connections,
    private readonly refusals: Refusals,
    private readonly sessions: WorkerSessions,
  ) {}

  /** Checks a login. Returns null when it was refused, or the connection was lost while the answer was delayed. */
  async enter(login: LoginResult, entering: Entering): Promise<LoggedInWorker | null> {
    const { name, connection } = entering;
    const isIn = 'worker' in login && this.connections.admit(connection);
    if (isIn) connection.isLoggedIn = true;
    // A refusal for lack of room is not delayed.
    if (login.afterMs > 0 && (isIn || 'refused' in login)) await delay(login.afterMs, undefined, { ref: false });
    if (!entering.isOpen()) return null;
    if (isIn) return login.worker;
    const reason = 'refused' in login ? login.refused : 'full';
    this.refusals.refused(reason, name, connection);
    entering.refuse(reason);
    return null;
  }

  /** Begins the session of a worker that has entered. `giveUp` ends the connection of one that does not get a session. */
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
  /** Ends the connection because another one of its name is connected, and tells the worker so. */
  readonly refuseDuplicate: () => void;
  /** Called when nobody else is connected under that name. */
  readonly onBegin?: () => void;
}
