import { expect } from 'vitest';
import { deriveId } from '../../../src/model/issuance.js';
import type { ActorConfig } from '../actors/actor.js';
import { expireLeases } from '../checks/invariants.js';
import type { Trouble } from './kill-cases.js';
import type { Scene } from './scene.js';

/** In a scene `eve` has the first unit, and then `ann` and `bob` ask. */
const UNIT_OF_ANN = 2;

/** Puts it in their way: in the database, or in what the process under test will be told of its own. */
export async function makeTrouble(scene: Scene, trouble: Trouble | null): Promise<ActorConfigOfTrouble> {
  const { campaignId, userId, requestId } = scene.ask('ann');
  switch (trouble) {
    case 'save refused':
      return { saves: 'refused' };
    case 'save refused for good':
      return { saves: 'refused for good' };
    case 'code taken':
      return { saves: 'code taken' };
    case 'delivery refused':
      return { deliveries: 'refused' };
    case 'serial taken':
      await scene.writeRow({ userId: 'stranger', serial: UNIT_OF_ANN });
      return {};
    case 'user has a row':
      await scene.writeRow({ userId, serial: scene.total });
      return {};
    case 'request has a row':
      await scene.writeRow({ userId, serial: scene.total, id: deriveId(campaignId, userId, requestId) });
      return {};
    case null:
      return {};
  }
}

export type ActorConfigOfTrouble = Pick<ActorConfig, 'saves' | 'deliveries'>;

/** Whether Redis is behind the database. */
export function isBehind(trouble: Trouble | null): boolean {
  return trouble === 'serial taken' || trouble === 'user has a row' || trouble === 'request has a row';
}

/** Reservations that wait to be settled: in the line of write-behind, or because the database left their callers in doubt and their leases ran out. */
export async function promiseTwo(scene: Scene): Promise<void> {
  await scene.issueTo('eve');
  await scene.settle();
  scene.saves = 'in doubt';
  for (const userId of ['ann', 'bob']) expect(await scene.issueTo(userId)).toBe('accepted');
  scene.saves = null;
  expect(await expireLeases(scene.ground.redis, scene.campaignId)).toBe(2);
}
