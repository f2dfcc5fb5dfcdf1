import { expect, test } from 'vitest';
import { type JsonObject, MemoryPersistence } from '../../src/index.js';
import { mockIssuer } from './support.js';

test('the data of calls reaches deliver and the rows, and Redis keeps none of it', async () => {
  const persistence = new MemoryPersistence();
  const delivered: (JsonObject | undefined)[] = [];
  const issuer = mockIssuer({ persistence, deliver: ({ data }) => void delivered.push(data) });
  const launch = issuer.campaign('launch');
  await launch.open({ stock: { kind: 'counted', total: 9 } });
  const data = { note: '가🙂 "quoted"\nline', list: [1, null, { deep: {} }] };
  await Promise.all([
    launch.issue({ userId: 'kim', data }),
    launch.issue({ userId: 'lee' }),
    launch.issue({ userId: 'park', data: {} }),
  ]);
  await issuer.idle();
  expect(delivered).toEqual([data, undefined, {}]);
  const rows = await persistence.list('launch', { afterSerial: 0, limit: 9 });
  expect(rows.map((row) => [row.userId, row.data])).toEqual([
    ['kim', data],
    ['lee', undefined],
    ['park', {}],
  ]);
  expect(await launch.inspect()).toMatchObject({ ready: true, issued: 3, reserved: 0 });
});

test('the data of a user in line goes to their row', async () => {
  const persistence = new MemoryPersistence();
  const launch = mockIssuer({ persistence }).campaign('launch');
  await launch.open({ stock: { kind: 'counted', total: 9 }, admission: 'queued' });
  const data = { source: '가🙂' };
  await Promise.all([launch.join({ userId: 'kim', data }), launch.join({ userId: 'lee' })]);
  await launch.admit({ count: 2 });
  const rows = await persistence.list('launch', { afterSerial: 0, limit: 9 });
  expect(rows.map((row) => [row.userId, row.data])).toEqual([
    ['kim', data],
    ['lee', undefined],
  ]);
});
