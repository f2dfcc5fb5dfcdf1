import type { RedisClient } from '../redis/client.js';
import { guardsOf, isCluster, readersOfArguments } from '../redis/ioredis.js';
import { type AskedServers, latencyMs, missingRights, type ServerFacts, serverFacts } from '../redis/server-facts.js';
import type { RedisContext } from '../redis/shard.js';
import { clockOf } from './clock.js';
import { type Diagnosis, finding, judged, ok, part, toldOf } from './diagnosis.js';

const REACH = 'start Redis, and check the address, the user and the password of the client';
const ALLOW_INFO = 'let this user run INFO, or look at this setting yourself';
/** The oldest server whose commands are enough. */
const OLDEST = [6, 0];
const SLOW_MS = 20;

/** Nothing more is asked of a single server that does not answer. Of a Cluster each master is asked. */
export async function lookAtRedis(context: RedisContext, client: RedisClient): Promise<readonly Diagnosis[]> {
  return part('redis.answer', REACH, async () => {
    const latency = latencyOf(context);
    const measured = isCluster(client) ? await part('redis.latency', REACH, () => latency) : await latency;
    const rights = await part('redis.rights', REACH, async () => [rightsOf(await missingRights(context, client))]);
    const servers = await part('redis.version', ALLOW_INFO, async () => ofServers(await serverFacts(context, client)));
    return [...servers, ...rights, ...measured];
  });
}

async function latencyOf(context: RedisContext): Promise<readonly Diagnosis[]> {
  const median = await latencyMs(context);
  return [
    judged('redis.latency', `a call takes ${median.toFixed(1)} ms`, median <= SLOW_MS, {
      cure: 'run the processes near Redis: each batch waits for it',
    }),
  ];
}

function rightsOf({ answers, masters }: AskedServers<readonly string[]>): Diagnosis {
  const missing = [...new Set(answers.flat())].sort();
  const lacking = answers.filter((commands) => commands.length > 0).length;
  const where = masters === 1 ? '' : ` on ${lacking} of ${masters} masters`;
  return missing.length === 0
    ? ok('redis.rights', 'this user may run every command that the scripts call')
    : finding(
        'redis.rights',
        'fault',
        `this user may not run ${missing.join(', ')}${where}`,
        'grant the rights of "A Redis user of its own" in docs/operating.md, on every node',
      );
}

function ofServers({ answers, masters, fault }: AskedServers<ServerFacts>): Diagnosis[] {
  const named = (facts: ServerFacts) => (masters === 1 ? '' : ` (run_id ${facts.run.slice(0, 8) || 'not told'})`);
  const found = answers.flatMap((facts) =>
    ofServer(facts).map((one) => ({ ...one, found: `${one.found}${named(facts)}` })),
  );
  if (answers.length === masters) return found;
  const why = fault ? `: ${toldOf(fault)}` : '';
  const silent = `${masters - answers.length} of ${masters} masters gave no answer${why}`;
  return [...found, finding('redis.answer', 'fault', silent, `${REACH}; or ${ALLOW_INFO}`)];
}

function ofServer({ policy, role, version, appendOnly, aheadMs }: ServerFacts): Diagnosis[] {
  return [
    told('redis.version', version, isNewEnough(version), { verdict: 'fault', cure: 'use Redis 6 or newer' }),
    told(
      'redis.append_only',
      appendOnly && (appendOnly === '1' ? 'appendonly yes' : 'appendonly no'),
      appendOnly === '1',
      {
        cure: 'set appendonly yes: without it a restart loses every campaign until its rebuild',
      },
    ),
    told('redis.eviction', policy && `maxmemory-policy ${policy}`, policy === 'noeviction', {
      verdict: 'fault',
      cure: 'set maxmemory-policy noeviction: this server may drop coupons and stock',
    }),
    told('redis.role', role, role === 'master', { verdict: 'fault', cure: 'connect to the master of this replica' }),
    clockOf('redis.clock', aheadMs),
  ];
}

/** An empty fact: the server does not say it. */
function told(
  check: Diagnosis['check'],
  fact: string,
  isFine: boolean,
  otherwise: { readonly verdict?: 'fault'; readonly cure: string },
): Diagnosis {
  if (fact === '') return finding(check, 'unknown', 'the server does not say', ALLOW_INFO);
  return judged(check, fact, isFine, otherwise);
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > OLDEST[0]! || (major === OLDEST[0] && minor >= OLDEST[1]!);
}

/** Sends nothing. */
export function lookAtClient(client: RedisClient): readonly Diagnosis[] {
  const readers = readersOfArguments(client);
  const tracing = judged(
    'client.tracing',
    readers.join(', ') || 'nothing reads the arguments of commands',
    !readers.length,
    {
      cure: 'set the serializer of docs/traces-of-redis.md: user ids and codes are arguments of scripts',
    },
  );
  const guards = guardsOf(client);
  if (!guards) return [ok('client.offline_queue', 'this client does not show its options'), tracing];
  const { enableOfflineQueue, commandTimeout, socketTimeout, maxRetriesPerRequest } = guards;
  const missing = Object.entries({ commandTimeout, socketTimeout }).flatMap(([name, value]) => (value ? [] : [name]));
  return [
    judged('client.offline_queue', `enableOfflineQueue ${enableOfflineQueue !== false}`, enableOfflineQueue === false, {
      cure: 'set enableOfflineQueue: false: calls wait in the client while Redis is away',
    }),
    judged('client.time_outs', missing.length ? `no ${missing.join(', no ')}` : 'time-outs are set', !missing.length, {
      cure: 'set commandTimeout: 5_000 and socketTimeout: 10_000: a half-open connection does not end by itself',
    }),
    judged('client.retries', `maxRetriesPerRequest ${maxRetriesPerRequest ?? null}`, maxRetriesPerRequest === 0, {
      cure: 'set maxRetriesPerRequest: 0: the client sends a call again whose reply is lost',
    }),
    tracing,
  ];
}
