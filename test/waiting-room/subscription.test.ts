import { Redis } from 'ioredis';
import { Redis as OldRedis } from 'ioredis-oldest';
import { Redis as Redis6 } from 'ioredis-v6';
import { expect, test } from 'vitest';
import type { RedisClient, SubscriberClient } from '../../src/index.js';
import { Subscription } from '../../src/redis/subscription.js';
import { own } from '../support/checks/own.js';
import { until } from '../support/checks/until.js';
import { client } from '../support/servers/fault-clients.js';
import { RedisServer } from '../support/servers/redis-server.js';

const clients: [string, (port: number) => RedisClient][] = [
  ['ioredis 5.4', (port) => client(new OldRedis(port, '127.0.0.1'))],
  ['ioredis 5', (port) => client(new Redis(port, '127.0.0.1'))],
  ['ioredis 6', (port) => client(new Redis6(port, '127.0.0.1'))],
];

test.each(clients)(
  '%s asks nothing on the connection that listens, however early the second subscription comes',
  async (_, connect) => {
    const server = await own(RedisServer.start());
    const redis = connect(server.port);
    const faults: string[] = [];
    let onConnect: () => void = () => {};
    const duplicate = (...options: unknown[]) => {
      const subscriber = redis.duplicate!(...options);
      subscriber.on('connect', () => onConnect());
      return subscriber;
    };
    const wrapper: RedisClient = {
      evalsha: (...call) => redis.evalsha(...call),
      eval: (...call) => redis.eval(...call),
      duplicate,
    };
    const subscription = new Subscription(wrapper, (error) => faults.push(String(error)));
    const ends: (() => void)[] = [];
    const listen = (channel: string) => ends.push(subscription.listen(channel, () => {}));
    let connected = 0;
    onConnect = () => {
      const channel = ['two', 'three'][connected++];
      if (channel) listen(channel);
    };
    listen('one');
    const eye = server.client();
    const heard = async (channel: string) => Number((await eye.pubsub('NUMSUB', channel))[1]);
    /** Whether INFO was asked on a connection that listens. */
    const refused = async () => /cmdstat_info:.*(rejected|failed)_calls=[1-9]/.test(await eye.info('commandstats'));
    await until(async () => (await heard('one')) === 1 && (await heard('two')) === 1);
    // The same on its way back, when it has its channels to subscribe to again.
    expect(await eye.client('KILL', 'TYPE', 'pubsub')).toBe(1);
    await until(async () => faults.length > 0 || ((await heard('three')) === 1 && (await heard('one')) === 1));
    expect(faults).toEqual([]);
    expect(connected).toBe(2);
    expect(await refused()).toBe(false);
    for (const end of ends) end();
    expect(faults).toEqual([]);
  },
);

test('on a connection that listens the others wait for the first subscription, with which the node is asked for its state', async () => {
  const asked: string[] = [];
  let answer: () => void = () => {};
  const subscriber: SubscriberClient = {
    on: () => undefined,
    subscribe: (channel) => {
      asked.push(channel!);
      return new Promise<void>((resolve) => {
        answer = resolve;
      });
    },
    unsubscribe: async () => undefined,
    disconnect: () => {},
  };
  const never = async () => [];
  const redis = { isCluster: true, evalsha: never, eval: never, duplicate: () => subscriber } as RedisClient;
  const subscription = new Subscription(redis, () => {});
  for (const channel of ['one', 'two', 'given up']) {
    const end = subscription.listen(channel, () => {});
    if (channel === 'given up') end();
  }
  await new Promise(setImmediate);
  expect(asked).toEqual(['one']);
  answer();
  await new Promise(setImmediate);
  expect(asked).toEqual(['one', 'two']);
});

test('a listener is told once messages of its channel arrive, also on a connection that was there before', async () => {
  const answers = new Map<string, () => void>();
  const subscriber: SubscriberClient = {
    on: () => undefined,
    subscribe: (channel) => new Promise<void>((resolve) => void answers.set(channel!, resolve)),
    unsubscribe: async () => undefined,
    disconnect: () => {},
  };
  const never = async () => [];
  const subscription = new Subscription({ evalsha: never, eval: never, duplicate: () => subscriber }, () => {});
  const told: string[] = [];
  for (const channel of ['one', 'two']) {
    subscription.listen(channel, (message) => told.push(`${channel} ${message}`));
    if (channel === 'two') await new Promise(setImmediate);
    expect(told).toEqual(channel === 'one' ? [] : ['one reconnected']);
    answers.get(channel)!();
    await new Promise(setImmediate);
  }
  expect(told).toEqual(['one reconnected', 'two reconnected']);
});
