import { monotonicMs, withDeadline } from '../flow/deadline.js';
import { InvalidArgumentError, OverloadedError, RedisError, type RedisOutcome } from '../model/errors.js';
import { messageOf } from '../model/foreign.js';
import { bareError, redacted } from '../model/safe-error.js';
import type { RedisClient } from './client.js';
import { connectionOf, isCluster, isReady, isReadyOn, neverSent, stateOf } from './ioredis.js';
import type { KeyName } from './keys.js';
import { cameBeforeWriting, missingRight } from './server-errors.js';

/** A script with the names of its keys and arguments, so that a missing key or argument does not compile. */
export interface Script<K extends KeyName = KeyName, A extends string = string, E extends string = string> {
  readonly name: string;
  readonly source: string;
  readonly sha1: string;
  readonly keys: readonly K[];
  readonly args: readonly A[];
  /** The arguments that repeat, once for each item of a batch. */
  readonly each: readonly E[];
  /** Whether it writes nothing. */
  readonly reads: boolean;
  /** Where one call may be for several campaigns. */
  readonly joint: Joint | null;
}

/** A script as a function, the text that runs it for each campaign of a call, and the SHA-1 of both. */
export interface Joint {
  readonly behind: string;
  readonly sha1: string;
}

export interface ScriptCall<K extends KeyName = KeyName, A extends string = string, E extends string = string> {
  readonly keys: Readonly<Record<K, string>>;
  readonly args: Readonly<Record<A, string>>;
  readonly items?: readonly Readonly<Record<E, string>>[];
}

/** A call as it is sent: `count` keys come first in its arguments. The source is asked for where the server lacks it. */
interface SentScript {
  readonly sha1: string;
  readonly source: () => string;
  readonly count: number;
  readonly args: readonly string[];
}

export interface Replicas {
  readonly count: number;
  readonly timeoutMs: number;
}

export type Reply = readonly (string | number)[];

/** The values of a reply that a script gave in pieces. */
export function inOnePiece(reply: Reply): Reply {
  return (reply as readonly unknown[]).flat() as Reply;
}

export function defineScript<const K extends KeyName, const A extends string = never, const E extends string = never>(
  name: string,
  lua: { readonly source: string; readonly sha1: string; readonly joint: Joint | null },
  shape: {
    readonly keys: readonly K[];
    readonly args?: readonly A[];
    readonly each?: readonly E[];
    readonly reads?: boolean;
  },
): Script<K, A, E> {
  const { keys, args = [], each = [], reads = false } = shape;
  return { name, source: lua.source, sha1: lua.sha1, joint: lua.joint, keys, args, each, reads };
}

const RETRY_MS = 1_000;
const NO_REPLY =
  'this client answers scripts with something else than their replies: it is inside of MULTI, or answers with buffers; give the issuer a client that nothing else uses in this way';
const WITHOUT_PROMISE = 'redis must be an ioredis client, and the evalsha() of this one gives no promise';

/**
 * Runs a script: EVALSHA, and on NOSCRIPT, the one reply that proves that it did not run, EVAL. Nothing else is ever
 * sent again. One round trip, two after Redis forgot the script. Throws `RedisError`, redacted.
 */
export class ScriptRunner {
  readonly #client: RedisClient;
  /** No connection at first. */
  #grantedOn: unknown = this;

  constructor(client: RedisClient) {
    this.#client = client;
  }

  async run<K extends KeyName, A extends string, E extends string>(
    script: Script<K, A, E>,
    call: ScriptCall<K, A, E>,
    timeoutMs: number,
  ): Promise<Reply> {
    if (script.joint) {
      const [reply] = await this.runJointly(script, [call], timeoutMs);
      if (reply instanceof Error) throw reply;
      return reply!;
    }
    const { sha1, source } = script;
    const text = { sha1, source: () => source, count: script.keys.length, args: flatten(script, call) };
    return asReply(await this.#send(script, call.keys, text, timeoutMs));
  }

  /**
   * Runs a script for several campaigns, one call each, as if each were alone: an error of one is its result. Throws the
   * error of all. One call on a Cluster.
   */
  async runJointly<K extends KeyName, A extends string, E extends string>(
    script: Script<K, A, E>,
    calls: readonly ScriptCall<K, A, E>[],
    timeoutMs: number,
  ): Promise<readonly (Reply | RedisError)[]> {
    const connection = connectionOf(this.#client);
    const width = script.keys.length;
    const keys: string[] = [];
    const args = [String(width)];
    for (const call of calls) {
      for (const name of script.keys) keys.push(call.keys[name]);
      args.push(String(script.args.length + script.each.length * (call.items?.length ?? 0)));
      pushArguments(args, script, call);
    }
    const { behind, sha1 } = script.joint!;
    const text = { sha1, count: keys.length, args: keys.concat(args), source: () => forEach(script.source, behind) };
    const replies = asList(await this.#send(script, calls[0]!.keys, text, timeoutMs));
    return calls.map((call, i) => {
      const reply = replies[i];
      if (typeof reply !== 'string') return asReply(reply);
      const said = Object.assign(new Error(reply), { name: 'ReplyError' });
      return this.#failed(script, call.keys, pushArguments([], script, call), said, connection);
    });
  }

  async #send(
    script: Script,
    keys: Readonly<Record<string, string>>,
    text: SentScript,
    timeoutMs: number,
  ): Promise<unknown> {
    const connection = connectionOf(this.#client);
    const { sha1, count, args } = text;
    try {
      const deadline = monotonicMs() + timeoutMs;
      const expired = () => this.unanswered(timeoutMs);
      const sent: unknown = this.#client.evalsha(sha1, count, ...args);
      if (typeof (sent as Partial<Promise<unknown>> | null | undefined)?.catch !== 'function')
        throw new InvalidArgumentError(WITHOUT_PROMISE);
      const reply = (sent as Promise<unknown>).catch((error: unknown) => {
        if (!isNoScript(error) || monotonicMs() >= deadline) throw error;
        return this.#client.eval(text.source(), count, ...args);
      });
      return await withDeadline(reply, timeoutMs, expired);
    } catch (error) {
      if (error instanceof RedisError || error instanceof InvalidArgumentError) throw error;
      throw this.#failed(script, keys, args.slice(count), error, connection);
    }
  }

  #failed(
    script: Script,
    keys: Readonly<Record<string, string>>,
    args: readonly string[],
    error: unknown,
    connection: unknown,
  ): RedisError {
    const safe = withoutQuotes(redacted(error, args.flatMap(piecesOf).filter(isTelling)));
    // Judged by the original message: redaction may remove a word that matters.
    const said = messageOf(error);
    const outcome = this.#outcomeOf(safe, said, connection);
    const { joint, source } = script;
    const sent = joint ? { ...script, source: forEach(source, joint.behind) } : script;
    const why = missingRight(sent, keys, said) ?? `Redis failed: ${safe.message}`;
    return new RedisError(why, { outcome, cause: safe });
  }

  /**
   * Whether so many replicas have all writes of this connection. Never an error: without an answer, or after the
   * connection changed, it is `false`.
   */
  async replicated({ count, timeoutMs }: Replicas, connection: unknown): Promise<boolean> {
    try {
      const waiting = Promise.resolve(this.#client.wait?.(count, timeoutMs));
      const late = () => new Error('no answer in time');
      const have = await withDeadline(waiting, timeoutMs + 1_000, late);
      return connection === connectionOf(this.#client) && Number(have) >= count;
    } catch {
      return false;
    }
  }

  /** A call that was sent has no answer in its time. */
  unanswered(timeoutMs: number): RedisError {
    const message = `no answer from Redis within ${Math.round(timeoutMs)} ms${stateOf(this.#client)}`;
    return new RedisError(message, { outcome: 'unknown' });
  }

  /**
   * A call was not sent in its time: Redis is away, or too much waits in this process. `state` names the state that was
   * left.
   */
  unsent(state: string): RedisError | OverloadedError {
    const message = `the time of this call ran out before it was sent${stateOf(this.#client)}; ${state}`;
    if (isReady(this.#client)) return new OverloadedError(message, RETRY_MS);
    return new RedisError(message, { outcome: 'not_applied' });
  }

  /** The connection of this moment, to compare with a later one. */
  get connection(): unknown {
    return connectionOf(this.#client);
  }

  /**
   * Whether a call that left on this connection, and has its answer now, ran once at most. The client sends a call again
   * after it lost the connection, perhaps to another server. The connections of a Cluster come and go unseen.
   */
  isUnbroken(connection: unknown): boolean {
    return connection !== undefined && connection === connectionOf(this.#client) && !isCluster(this.#client);
  }

  /** Whether keys of several campaigns may not meet in a call. */
  get isCluster(): boolean {
    return isCluster(this.#client);
  }

  /** Whether a call is sent at once, on the connection on which this Redis user has all rights. */
  get mayWrite(): boolean {
    return isReadyOn(this.#client, this.#grantedOn);
  }

  /** The user has all rights on the connection of this moment. */
  grant(): void {
    this.#grantedOn = connectionOf(this.#client);
  }

  /**
   * Some replies of the server prove that this copy of the call wrote nothing. They say nothing of an earlier copy: the
   * client sends a call again after it lost the connection. So they count only on one and the same connection, and
   * never on a Cluster, whose connections come and go unseen.
   */
  #outcomeOf(safe: Error, said: string, connection: unknown): RedisOutcome {
    const sameConnection = connection === connectionOf(this.#client) && !isCluster(this.#client);
    const refused = safe.name === 'ReplyError' && connection !== undefined && cameBeforeWriting(said);
    return sameConnection && (refused || neverSent(safe)) ? 'not_applied' : 'unknown';
  }
}

/**
 * A client inside of MULTI answers `QUEUED`, and the script may run at any later time; words of buffers equal no word.
 */
function asList(reply: unknown): readonly unknown[] {
  if (Array.isArray(reply)) return reply;
  throw new RedisError(NO_REPLY, { outcome: 'unknown' });
}

function asReply(reply: unknown): Reply {
  if (Array.isArray(reply) && !Buffer.isBuffer(reply[0])) return reply as unknown as Reply;
  throw new RedisError(NO_REPLY, { outcome: 'unknown' });
}

/** A script as a function, and its callers behind it; on the first line, because servers tell the line of an error. */
export function forEach(source: string, behind: string): string {
  return `local function script(KEYS, ARGV) ${source}end\n${behind}`;
}

function flatten<K extends KeyName, A extends string, E extends string>(
  script: Script<K, A, E>,
  call: ScriptCall<K, A, E>,
): string[] {
  return pushArguments(
    script.keys.map((name) => call.keys[name]),
    script,
    call,
  );
}

function pushArguments<K extends KeyName, A extends string, E extends string>(
  flat: string[],
  script: Script<K, A, E>,
  { args, items = [] }: ScriptCall<K, A, E>,
): string[] {
  for (const name of script.args) flat.push(args[name]);
  for (const item of items) for (const name of script.each) flat.push(item[name]);
  return flat;
}

/**
 * A server that does not know a command repeats the beginning of its arguments, cut at any place, so that no search
 * finds them.
 */
function withoutQuotes(safe: Error): Error {
  const message = safe.message.replace(/,? with args beginning with:[\s\S]*/, '');
  if (message === safe.message) return safe;
  return bareError(safe.name, message);
}

/** Servers quote arguments in some errors. Words this short are flags and counts, not codes. */
function isTelling(arg: string): boolean {
  return arg.length > 3;
}

/** One argument with a text for each item: none is empty, and none has U+0000. */
export function column(texts: readonly string[]): string {
  return texts.join('\0');
}

/** An argument may have the texts of many callers: U+0000 between them, or a line each. */
function piecesOf(arg: string): string[] {
  const texts = arg.split('\0');
  return [arg, ...texts, ...texts.flatMap((text) => (text.includes('\n') ? text.split('\n') : []))];
}

/** Clients differ in their error classes and servers in their sentences; the first word is the same everywhere. */
function isNoScript(error: unknown): boolean {
  return messageOf(error).startsWith('NOSCRIPT');
}
