import { cpSync, readdirSync, rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { newDataDir } from './redis-server.js';

const APPENDS = ['--save', '', '--appendonly', 'yes', '--auto-aof-rewrite-percentage', '0'];

/** Options of a server whose data outlives it. Nothing is rewritten behind a test's back. */
export const KEEPS = {
  /** Written and synced before each reply. */
  synced: [...APPENDS, '--appendfsync', 'always'],
  /**
   * Written before each reply, synced when the kernel likes. `everysec` promises less to whoever kills the process: while a sync takes long,
   * replies go out before they are written.
   */
  written: [...APPENDS, '--appendfsync', 'no'],
  /** Written when the test says so. */
  dumped: ['--save', '3600 1000000000', '--appendonly', 'no'],
} as const;

/** A copy of a server's data as a backup would take it, while it runs; gone when the test is over. */
export function copyData(dir: string): string {
  const copy = newDataDir();
  onTestFinished(() => rmSync(copy, { recursive: true, force: true }));
  cpSync(dir, copy, { recursive: true });
  return copy;
}

/** Puts a copy in the place of the data of a server that is down. */
export function putBack(dir: string, copy: string): void {
  removeData(dir);
  cpSync(copy, dir, { recursive: true });
}

/** What a server that is down would start from is gone. */
export function removeData(dir: string): void {
  for (const name of readdirSync(dir)) rmSync(join(dir, name), { recursive: true, force: true });
}

/** The part of an append-only file that grows: everything since the server first started. */
export function growingAof(dir: string): string {
  const folder = join(dir, 'appendonlydir');
  const names = readdirSync(folder).filter((name) => name.endsWith('.incr.aof'));
  if (names.length !== 1) throw new Error(`expected one growing file in ${folder}, found ${names.length}`);
  return join(folder, names[0]!);
}

/** The disk of a server that is down kept only the first bytes of its append-only file. */
export function cutAof(dir: string, bytes: number): void {
  const file = growingAof(dir);
  if (bytes > statSync(file).size) throw new Error('there is nothing to cut off');
  truncateSync(file, bytes);
}
