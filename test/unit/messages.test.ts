import { describe, expect, test } from 'vitest';
import { CouponIssuer, MemoryPersistence, type RedisError } from '../../src/index.js';
import { differences, toRules } from '../../src/model/campaign-rules.js';
import { METHODS, type Operation } from '../../src/model/methods.js';
import { scripts } from '../../src/redis/scripts.js';
import { Worker } from '../../src/worker/worker.js';
import { quarantinedOf } from '../support/scenes/named.js';

const definition = { stock: { kind: 'counted', total: 5 } } as const;
const user = { userId: 'ann' };

const CALLS: Record<Operation, (issuer: CouponIssuer) => Promise<unknown>> = {
  open: (issuer) => issuer.campaign('c').open(definition),
  load: (issuer) => issuer.campaign('c').loadCodes(['AAA-1'], { loadId: 'l' }),
  replaceCode: (issuer) => issuer.campaign('c').replaceCode({ code: 'AAA-1', replacement: 'AAA-2' }),
  issue: (issuer) => issuer.campaign('c').issue(user),
  join: (issuer) => issuer.campaign('c').join(user),
  leave: (issuer) => issuer.campaign('c').leave(user),
  admit: (issuer) => issuer.campaign('c').admit({ count: 1 }),
  userStatus: (issuer) => issuer.campaign('c').userStatus(user),
  campaigns: (issuer) => issuer.campaigns().next(),
  inspect: (issuer) => issuer.campaign('c').inspect(),
  settle: (issuer) => issuer.settle(),
  quarantineList: (issuer) => quarantinedOf(issuer.campaign('c')),
  quarantineRetry: (issuer) => issuer.campaign('c').quarantine.retry({ all: true }),
  quarantineWithdraw: (issuer) => issuer.campaign('c').quarantine.withdraw({ all: true }),
  pause: (issuer) => issuer.campaign('c').pause(),
  resume: (issuer) => issuer.campaign('c').resume(),
  setPace: (issuer) => issuer.campaign('c').setPace({ savesPerSecond: 5 }),
  closeForGood: (issuer) => issuer.campaign('c').closeForGood(),
  update: (issuer) => issuer.campaign('c').update({ perUser: 2, requestId: 'r' }),
  restock: (issuer) => issuer.campaign('c').restock({ add: 1, requestId: 'r' }),
  rebuild: (issuer) => issuer.campaign('c').rebuild(definition),
  reconcile: (issuer) => issuer.campaign('c').reconcile(),
  purge: (issuer) => issuer.campaign('c').purge(),
  health: async () => {
    throw new Error('a worker without a Redis knows no campaign to look at');
  },
};
const calls = (Object.keys(CALLS) as Operation[]).filter((operation) => operation !== 'health');

async function faultOf(operation: Operation, answer: () => Promise<never>) {
  let asked = 0;
  const ask = () => {
    asked++;
    return answer();
  };
  const redis = { status: 'reconnecting', evalsha: ask, eval: ask };
  const issuer = new CouponIssuer({ redis, persistence: new MemoryPersistence(), timeoutMs: 5 });
  const error = (await CALLS[operation](issuer).catch((fault: unknown) => fault)) as RedisError;
  return { error, asked };
}

describe('a call that Redis does not answer', () => {
  test.each(calls)('%s waits once, and says that Redis is away', async (operation) => {
    const { error, asked } = await faultOf(operation, () => new Promise<never>(() => {}));
    const method = METHODS[operation];
    expect(error.message).toBe(`${method}: no answer from Redis within 5 ms (the client is reconnecting)`);
    expect(asked).toBe(1);
  });

  test.each(calls)('%s names itself, and no script, when the client fails', async (operation) => {
    const { error } = await faultOf(operation, async () => {
      throw new Error('Connection is closed.');
    });
    expect(error.message).toBe(`${METHODS[operation]}: Redis failed: Connection is closed.`);
    expect(error.outcome).toBe('unknown');
    for (const { name } of Object.values(scripts).filter((script) => script.name.includes('-')))
      expect(error.message).not.toContain(name);
  });
});

test('a server that answers no INFO is let pass, and one that fails otherwise is not asked again', async () => {
  const reply = Object.assign(new Error("NOPERM can't run 'info'"), { name: 'ReplyError' });
  expect((await faultOf('open', () => Promise.reject(reply))).asked).toBe(2);
  expect((await faultOf('open', () => Promise.reject(new Error('Command timed out')))).asked).toBe(1);
});

test('every method that messages name is there', () => {
  const { health, campaigns, ...ofCampaign } = METHODS;
  const issuer = new CouponIssuer({ redis: { evalsha: async () => [], eval: async () => [] } });
  const handle = issuer.campaign('c');
  expect(issuer[campaigns]).toBeTypeOf('function');
  for (const method of Object.values(ofCampaign)) {
    const [name, room] = method.split('.').reverse();
    const on = (room ? handle[room as 'quarantine'] : handle) as unknown as Record<string, unknown>;
    expect(on[name!], method).toBeTypeOf('function');
  }
  expect(Worker.prototype[health]).toBeTypeOf('function');
});

test('instants that differ are told as people read them', () => {
  const rules = (closesAt?: Date) => toRules({ ...definition, ...(closesAt && { closesAt }) }, []);
  const [noon, one] = [new Date('2030-05-01T12:00:00Z'), new Date('2030-05-01T13:00:00Z')];
  expect(differences(rules(noon), rules(one))).toEqual([
    'closesAt is 2030-05-01T12:00:00.000Z, not 2030-05-01T13:00:00.000Z',
  ]);
  expect(differences(rules(noon), rules())).toEqual(['closesAt is 2030-05-01T12:00:00.000Z, not none']);
});
