import { forEach, type Script } from '../../../src/redis/runner.js';

/** What a script is sent as: one that several campaigns may share has another text around it. */
export const sourceOf = ({ source, joint }: Script): string => (joint ? forEach(source, joint.behind) : source);
export const shaOf = ({ sha1, joint }: Pick<Script, 'sha1' | 'joint'>): string => joint?.sha1 ?? sha1;

/** The arguments of a call for one campaign, without its keys. */
export const argumentsOf = ({ joint }: Script, args: readonly string[]): readonly string[] =>
  joint ? args.slice(2) : args;

/** The same of each campaign of a call. */
export function callsOf({ joint }: Script, args: readonly string[]): readonly string[][] {
  if (!joint) return [[...args]];
  const calls: string[][] = [];
  for (let at = 1; at < args.length; at += Number(args[at]) + 1) {
    calls.push(args.slice(at + 1, at + 1 + Number(args[at])));
  }
  return calls;
}

/** The reply to a call for one campaign, and the same with another reply in it. */
export function replyOf(reply: unknown): readonly unknown[] {
  const [first] = reply as readonly unknown[];
  return (Array.isArray(first) ? first : reply) as readonly unknown[];
}
export function withReply(reply: unknown, other: readonly unknown[]): readonly unknown[] {
  return Array.isArray((reply as readonly unknown[])[0]) ? [other] : other;
}
