import { userInfo } from 'node:os';
import type { AuditStore } from '@millrace/database';
import { messageOf } from '@millrace/domain';

/** What somebody does with the command line. */
export interface CliDeed {
  readonly action: string;
  /** Path of what it is done to; empty when it is everything. */
  readonly target: string;
  /** What else was said, without secrets. */
  readonly params?: object;
}

/** Does something and records it, with the name that this user has on this machine. Without a record it is not done. */
export async function recorded<T>(
  audit: AuditStore,
  { action, target, params = {} }: CliDeed,
  work: () => Promise<T>,
): Promise<T> {
  const { username } = userInfo();
  const id = await audit.begun({ username, via: 'cli', tokenId: null, address: '', action, target, params });
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await audit.ended(id, 'failed', messageOf(error));
    throw error;
  }
  await audit.ended(id, 'done');
  return result;
}
