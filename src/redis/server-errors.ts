import { messageOf } from '../model/foreign.js';
import { registryKeys } from './keys.js';
import type { Script } from './runner.js';

/**
 * Replies of the server that come before the first write of a script, by their first word or by their words, each with
 * its reason. After any other error reply the script may have stopped in the middle: Redis takes no write back.
 */
const BEFORE_WRITING: readonly { readonly reply: RegExp; readonly because: string }[] = [
  { reply: /^NOSCRIPT\b/, because: 'there is no such script to run' },
  { reply: /^(NOAUTH|WRONGPASS|DENIED)\b/, because: 'the connection may not run any command' },
  { reply: /^LOADING\b/, because: 'the server reads its data and runs nothing' },
  { reply: /^BUSY\b/, because: 'another script runs' },
  { reply: /^MASTERDOWN\b/, because: 'a replica without its master runs nothing' },
  {
    reply: /^(MOVED|ASK|TRYAGAIN|CROSSSLOT|CLUSTERDOWN)\b/,
    because: 'a node looks at the keys before it runs a script',
  },
  { reply: /^READONLY\b/, because: 'a replica refuses the first write, and stays a replica while a script runs' },
  { reply: /^OOM\b/, because: 'memory is looked at until the first write, and never after it' },
  { reply: /^WRONGTYPE\b/, because: 'each script looks at the types of its keys before it writes' },
  { reply: /^(MISCONF|NOREPLICAS)\b/, because: 'the disk and the replicas are looked at for the first write' },
  { reply: /^ERR max number of clients\b/, because: 'the connection is refused' },
  { reply: /^ERR unknown command\b/i, because: 'the server does not know EVALSHA or EVAL' },
  { reply: /^ERR Error compiling script\b/, because: 'a script that does not compile does not run' },
  { reply: /Script killed by user/, because: 'SCRIPT KILL refuses to end a script that has written' },
];

/** Said from within a script. Redis 6 and 7.0 have words of their own, 7.2 and later begin with NOPERM. */
const FORBIDDEN_WITHIN =
  /The user executing the script can't|ACL failure in script|NOPERM[\s\S]*(user_script|\bscript:)|user_script[\s\S]*NOPERM/;
const FORBIDDEN = /^NOPERM\b/;

/** Whether this reply of the server proves that the script has written nothing. */
export function cameBeforeWriting(message: string): boolean {
  if (FORBIDDEN_WITHIN.test(message)) return false;
  return FORBIDDEN.test(message) || BEFORE_WRITING.some(({ reply }) => reply.test(message));
}

type Keys = Readonly<Record<string, string>>;

/** Whether the server refused because this Redis user lacks a right. */
export function isForbidden(error: unknown): boolean {
  const message = messageOf(error);
  return FORBIDDEN.test(message) || FORBIDDEN_WITHIN.test(message) || message.includes(MAY_NOT);
}

export const MAY_NOT = 'this Redis user may not';
/** Where the rights that a user needs are listed. */
export const RIGHTS_PAGE = 'docs/operating.md lists the commands, keys and channels that a Redis user needs';

/** Which right is missing, as far as the server says it; `null` for any other error. */
export function missingRight(script: Script, keys: Keys, message: string): string | null {
  if (FORBIDDEN_WITHIN.test(message)) return `${refusedWithin(script, keys, message)}; ${RIGHTS_PAGE}`;
  if (!FORBIDDEN.test(message)) return null;
  const named = /run the '([^']+)' command/.exec(message)?.[1];
  const what = named ? `run ${named.toUpperCase()}` : `use the keys ${patternsOf(script, keys).join(' and ')}`;
  return `${MAY_NOT} ${what}; ${RIGHTS_PAGE}`;
}

/** The server tells the line of the script, and newer ones the command. A line may have several. */
function refusedWithin(script: Script, keys: Keys, message: string): string {
  const line = script.source.split('\n')[Number(/user_script:\s?(\d+)/.exec(message)?.[1]) - 1] ?? '';
  const direct = [...line.matchAll(/redis\.call\('([A-Z]+)'(?:, (\w+)Key)?/g)];
  const shared = direct.length > 0 ? [] : [...script.source.matchAll(/writeAll\('([A-Z]+)'/g)];
  const told = /run the '([^']+)' command/.exec(message)?.[1]?.toUpperCase();
  const names = told ? [told] : [...new Set([...direct, ...shared].map(([, name]) => name))];
  const key = direct.length === 1 ? keys[direct[0]![2] ?? ''] : undefined;
  return `${MAY_NOT} run ${names.join(' or ') || 'a command of the script'}${key ? ` on ${key}` : ''}`;
}

/**
 * As an ACL names them: all campaigns of a prefix share their first characters, and the registry is out of reach as a
 * whole.
 */
function patternsOf({ keys: names }: Script, keys: Keys): string[] {
  const patterns = names.flatMap((name) => {
    const key = keys[name]!;
    if (key.startsWith('{')) return key.replace(/^(\{[^:]+:).*$/, '$1*');
    return Object.values(registryKeys(key.slice(0, key.lastIndexOf(':'))));
  });
  return [...new Set(patterns)].map((pattern) => `~${pattern}`);
}
