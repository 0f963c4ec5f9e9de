/** What the rights of somebody who has signed in depend on. */
export interface Person {
  readonly username: string;
  readonly email: string | null;
  readonly groups: readonly string[];
}

/** Role of everybody, whether signed in or not. */
export const ANYONE = 'anyone';
/** Role of everybody who has signed in. */
export const SIGNED_IN = 'signed-in';
