declare module 'apache-md5' {
  /** Returns the hash of a password, whose characters are taken for bytes. */
  export default function apacheMd5(password: string, salt?: string): string;
}
