import { campaignKeys, registryKeys } from '../../../src/redis/keys.js';
import { readBody, scriptFiles } from '../../lua/read-script.js';

/** What the scripts can do without: news of a waiting room, and the look at the settings of the server. */
export const OPTIONAL = ['PUBLISH', 'INFO'];
/** What is sent besides scripts, and what the server calls scripts by. */
const SENT = ['EVALSHA', 'EVAL', 'SUBSCRIBE', 'UNSUBSCRIBE', 'WAIT'];

/** The commands that a script may come to, by name. */
export function commandsOf(source: string): string[] {
  return [...new Set(readBody(source).reached.map(({ name }) => name))];
}

/** The commands that the scripts call. */
export function grantedCommands(): string[] {
  const called = scriptFiles().flatMap(({ source }) => commandsOf(source));
  return [...new Set([...called, 'EVALSHA', 'EVAL'])].sort();
}

/** The patterns of all keys of a prefix: those of campaigns begin with a brace, those of the registry do not. */
export function keyPatterns(prefix: string): string[] {
  const campaign = `${campaignKeys(prefix, '').campaign.split(':')[0]}:*`;
  const registry = `${registryKeys(prefix).registry.split(':')[0]}:*`;
  return [`~${registry}`, `~${campaign}`];
}

/** The ACL of a user who may do what is needed, and nothing else. */
export function aclOf(prefix: string, user = 'coupons'): string {
  const commands = [...new Set([...grantedCommands(), ...SENT])].sort().map((name) => `+${name.toLowerCase()}`);
  const [registry, campaign] = keyPatterns(prefix);
  return [
    `ACL SETUSER ${user} reset on >a-long-password`,
    `${registry} ${campaign} &${campaign!.slice(1)}`,
    ...commands,
  ].join(' ');
}
