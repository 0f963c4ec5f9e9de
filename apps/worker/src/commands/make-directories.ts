import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a directory and its missing parents. An existing one is no error. Not `mkdir` with `recursive`: that spins for ever in the main
 * thread when a file system reports "no such file" about a directory whose parent exists, as `/proc` does (Node 20).
 */
export async function makeDirectories(path: string): Promise<void> {
  try {
    return await makeOne(path);
  } catch (error) {
    const parent = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === path) throw error;
    await makeDirectories(parent);
  }
  await makeOne(path);
}

async function makeOne(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error;
  }
}
