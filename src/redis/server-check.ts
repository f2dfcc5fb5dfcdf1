import { MisconfiguredError, RedisError } from '../model/errors.js';
import type { Reply, ScriptRunner } from './runner.js';
import { scripts } from './scripts.js';
import { MAY_NOT, RIGHTS_PAGE } from './server-errors.js';
import type { Shard } from './shard.js';

/**
 * Whether this Redis user may run every command that the scripts call. The server looks at a right in the middle of a
 * script, after earlier writes. So a process asks before its first script that writes, and asks again until the user
 * has the rights. Without it one missing right stops a campaign for all processes. Each server has rights of its own,
 * and replicas do not copy them: so it asks again on each new connection, which may lead to another server.
 */
export class Rights {
  readonly #runner: ScriptRunner;
  #asking: Promise<void> | null = null;

  constructor(runner: ScriptRunner) {
    this.#runner = runner;
  }

  /**
   * One round trip, the first time on a connection. Throws `MisconfiguredError`, and `RedisError` with `not_applied`:
   * the call behind it was not sent.
   */
  async assert(keys: { readonly rights: string }, timeoutMs: number): Promise<void> {
    if (this.#runner.mayWrite) return;
    this.#asking ??= this.#ask(keys, timeoutMs).finally(() => {
      this.#asking = null;
    });
    await this.#asking;
  }

  async #ask(keys: { readonly rights: string }, timeoutMs: number): Promise<void> {
    const asked = this.#runner.run(scripts.checkRights, { keys, args: {} }, timeoutMs);
    const [word, ...commands] = await asked.catch((error: unknown) => {
      if (!(error instanceof RedisError)) throw error;
      throw new RedisError(error.message, { outcome: 'not_applied', cause: error.cause });
    });
    if (word !== 'ok') {
      throw new MisconfiguredError(`${MAY_NOT} run ${commands.join(', ')}; nothing was written; ${RIGHTS_PAGE}`);
    }
    this.#runner.grant();
  }
}

/**
 * Refuses a server that may drop a campaign's keys, or that is only the copy of another. Facts that the server hides
 * are let pass.
 */
export async function assertSafeServer(shard: Shard): Promise<void> {
  // Where INFO is forbidden nothing can be said. Without an answer at all the next call would only wait as long again.
  const silent = (error: unknown): Reply => {
    if (error instanceof RedisError && (error.cause as Error | undefined)?.name === 'ReplyError') return ['ok', '', ''];
    throw error;
  };
  const [, policy, role] = await shard.run(scripts.inspectServer, {}).catch(silent);
  const advice = "or pass unsafeRedis: 'allow' if you know better";
  if (policy !== '' && policy !== 'noeviction') {
    throw new MisconfiguredError(
      `this Redis may evict coupons and stock (maxmemory-policy ${policy}); nothing was written; set noeviction, ${advice}`,
    );
  }
  if (role !== '' && role !== 'master') {
    throw new MisconfiguredError(
      `this Redis is a replica (role ${role}); nothing was written; connect to its master, ${advice}`,
    );
  }
}
