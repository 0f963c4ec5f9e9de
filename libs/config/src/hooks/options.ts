/** Options of every hook. */
export interface HookOptions {
  /** Unique among hooks, and the last part of the address: `/change_hook/DIALECT/NAME`. The default is the dialect. */
  readonly name?: string;
  /** Name of the environment variable of the schedulers that holds the secret. */
  readonly secretEnv?: string;
  /** Default true: a hook has a secret. False lets everybody make changes when there is none. */
  readonly strict?: boolean;
  /** Codebase of the changes. */
  readonly codebase?: string;
  /** Project of the changes. The default is the one that the delivery names. */
  readonly project?: string;
}

export interface SkipOptions {
  /** A push whose last commit's message matches one of these is ignored. Default: `[skip ci]` and `[ci skip]`. */
  readonly skips?: readonly RegExp[];
}
