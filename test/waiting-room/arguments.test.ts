import { expect, test } from 'vitest';
import { CouponIssuer, InvalidArgumentError, MemoryPersistence, serverSentEvents } from '../../src/index.js';
import { joinNamed, leaveNamed, openNamed, watchNamed } from '../support/scenes/named.js';

/** A client that must not be asked anything. */
const untouched = {
  evalsha: () => Promise.reject(new Error('asked')),
  eval: () => Promise.reject(new Error('asked')),
};
const issuer = new CouponIssuer({ redis: untouched, persistence: new MemoryPersistence() });
// biome-ignore lint/suspicious/noExplicitAny: what JavaScript may pass
const wrong = (value: unknown) => value as any;

const texts = [undefined, null, 7, '', 'x'.repeat(129), 'a\0b', '\ud800', ['ann'], {}];
const ids = [undefined, null, 7, '', 'no spaces', '{tag}', 'x'.repeat(65)];

const calls: [string, unknown[], (value: unknown) => unknown][] = [
  ['join: campaignId', ids, (value) => issuer.campaign(wrong(value)).join({ userId: 'ann' })],
  ['join: userId', texts, (value) => issuer.campaign('launch').join({ userId: wrong(value) })],
  [
    'join: requestId',
    texts.slice(1),
    (value) => issuer.campaign('launch').join({ userId: 'ann', requestId: wrong(value) }),
  ],
  ['join: the request', [undefined, null, 'ann', []], (value) => issuer.campaign('launch').join(wrong(value))],
  [
    'join: a name it does not know',
    [1],
    (value) => issuer.campaign('launch').join(wrong({ userId: 'ann', user: value })),
  ],
  ['leave: campaignId', ids, (value) => issuer.campaign(wrong(value)).leave({ userId: 'ann' })],
  ['leave: userId', texts, (value) => issuer.campaign('launch').leave({ userId: wrong(value) })],
  ['admit: the campaign', ids, (value) => issuer.campaign(wrong(value)).admit({ count: 1 })],
  [
    'admit: count',
    [undefined, 0, -1, 1.5, Number.NaN, '3', 1_000_001],
    (value) => issuer.campaign('launch').admit({ count: wrong(value) }),
  ],
  ['admit: options', [undefined, null, 3], (value) => issuer.campaign('launch').admit(wrong(value))],
  ['watch: campaignId', ids, async (value) => issuer.campaign(wrong(value)).watch({ userId: 'ann' })],
  ['watch: userId', texts, async (value) => issuer.campaign('launch').watch({ userId: wrong(value) })],
  [
    'watch: signal',
    [null, {}, 'stop'],
    async (value) => issuer.campaign('launch').watch({ userId: 'ann', signal: wrong(value) }),
  ],
  [
    'keepAliveMs',
    [0, 999, 600_001, '1000'],
    async (value) => serverSentEvents(wrong({ next: async () => ({ done: true }) }), { keepAliveMs: wrong(value) }),
  ],
  [
    'admitPerSecond',
    [-1, Number.NaN, '3', 1_000_001, Number.POSITIVE_INFINITY],
    (value) => issuer.campaign('launch').setPace({ admitPerSecond: wrong(value) }),
  ],
  [
    'waves',
    [
      [],
      {},
      [{ count: 1 }],
      [{ at: new Date(), count: 0 }],
      [{ at: 'noon', count: 1 }],
      [{ at: new Date(Number.NaN), count: 1 }],
      [{ from: new Date(), every: 'week', count: 1 }],
      [{ every: 'day', count: 1 }],
      [{ at: new Date(), from: new Date(), every: 'day', count: 1 }],
      [{ at: new Date(), count: 1, note: 'x' }],
      Array.from({ length: 1_001 }, () => ({ at: new Date(), count: 1 })),
    ],
    (value) => issuer.campaign('launch').setPace({ waves: wrong(value) }),
  ],
  [
    'a pace',
    [undefined, null, 5, [], 'fast', { savesPerSec: 5 }, { maxSavesPerSecond: 5 }],
    (value) => issuer.campaign('launch').setPace(wrong(value)),
  ],
];

const room = { id: 'launch', stock: { kind: 'counted', total: 1 }, admission: 'queued' } as const;
const definitions: [string, unknown][] = [
  ['another admission', { ...room, admission: 'later' }],
  ['maxWaiting 0', { ...room, maxWaiting: 0 }],
  ['maxWaiting as text', { ...room, maxWaiting: '10' }],
  ['overbook below 0', { ...room, overbook: -1 }],
  ['half an overbook', { ...room, overbook: 0.5 }],
  ['presenceMs too short', { ...room, presenceMs: 999 }],
  ['presenceMs too long', { ...room, presenceMs: 86_400_001 }],
  ['a draw without an opening', { ...room, drawAtOpen: true }],
  ['a draw that is no flag', { ...room, drawAtOpen: 'yes', opensAt: new Date() }],
  ['overbook without a waiting room', { ...room, admission: 'immediate', overbook: 1 }],
  ['presenceMs without a waiting room', { id: 'launch', stock: room.stock, presenceMs: 5_000 }],
  ['write-behind', { ...room, saveMode: 'write-behind' }],
  ['a pace that is none', { ...room, pace: 5 }],
  ['a pace with a wrong rate', { ...room, pace: { admitPerSecond: -1 } }],
  ['a pace with a wrong wave', { ...room, pace: { waves: [] } }],
  ['admitPerSecond without a waiting room', { id: 'launch', stock: room.stock, pace: { admitPerSecond: 5 } }],
  [
    'waves without a waiting room',
    { id: 'launch', stock: room.stock, pace: { waves: [{ at: new Date(), count: 1 }] } },
  ],
];

test.each(
  calls.flatMap(([name, values, call]) => values.map((value, i) => ({ name: `${name}, case ${i + 1}`, value, call }))),
)('$name is refused before anything is asked', async ({ value, call }) => {
  await expect((async () => call(value))()).rejects.toBeInstanceOf(InvalidArgumentError);
});

test.each(definitions)('a campaign with %s is refused before anything is asked', async (_, definition) => {
  await expect(openNamed(issuer, wrong(definition))).rejects.toBeInstanceOf(InvalidArgumentError);
});

test('a closed issuer refuses each call', async () => {
  const closed = new CouponIssuer({ redis: untouched });
  await closed.close();
  const named = { campaignId: 'launch', userId: 'ann' };
  for (const call of [
    () => joinNamed(closed, named),
    () => leaveNamed(closed, named),
    () => closed.campaign('launch').admit({ count: 1 }),
    async () => watchNamed(closed, named),
  ]) {
    await expect(call()).rejects.toMatchObject({ code: 'CLOSED' });
  }
});
