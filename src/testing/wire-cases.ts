import assert from 'node:assert/strict';
import type { Issuance } from '../model/issuance.js';
import type { SaveVerdict } from '../persistence/adapter.js';
import { assertIssuances, wordsOf } from './assertions.js';
import type { Case, Stage, StagedSave, Truth } from './stage.js';
import type { Fault } from './wire.js';

/** More than any adapter needs for four issuances. */
const MAX_UNITS = 50;
/** Of a large batch, which may be saved row by row. */
const FIRST_UNITS = 4;

/** The database cannot be reached, or its answer is lost, or comes too late: at each unit of work in turn. */
export const wireCases: Case[] = [
  {
    name: 'a save that cannot reach the database tells the truth or throws',
    needs: ['wire'],
    check: (stage) =>
      atEveryUnit(stage, 'unreachable', async (scene, attempt) => {
        await stage.expectTruth(attempt, scene);
        await expectRepeat(stage, scene);
      }),
  },
  {
    name: 'a save that committed and lost the answer does not deny it, and its repeat says saved',
    needs: ['wire'],
    check: (stage) =>
      atEveryUnit(stage, 'answer_lost', async (scene, attempt) => {
        await stage.expectTruth(attempt, scene);
        await expectRepeat(stage, scene);
      }),
  },
  {
    name: 'a save that commits after it was given up does not deny it, and its repeat says saved',
    needs: ['wire'],
    check: (stage) =>
      atEveryUnit(stage, 'late', async (scene, attempt) => {
        await stage.wire.arrive();
        await stage.expectTruth(attempt, scene);
        await expectRepeat(stage, scene);
      }),
  },
  {
    name: 'a save that arrives after its own repeat stores nothing twice',
    needs: ['wire'],
    check: (stage) =>
      atEveryUnit(stage, 'late', async (scene) => {
        await expectRepeat(stage, scene);
        await stage.wire.arrive();
        await stage.expectStored(...scene.storedAfter);
      }),
  },
  {
    name: 'a save that arrives late overwrites nothing that others stored meanwhile',
    needs: ['wire'],
    check: (stage) =>
      atEveryUnit(stage, 'late', async ({ fresh, storedBefore }) => {
        const [{ campaignId, serial }, { userId }] = fresh;
        const rivals = [stage.issuance({ campaignId, serial }), stage.issuance({ campaignId, userId })];
        const words = wordsOf(await stage.save(...rivals));
        await stage.wire.arrive();
        // A rival that is refused met a row that was stored before it: the unit that came late was another one.
        const winners = rivals.map((rival, i) => (words[i] === 'saved' ? rival : fresh[i]!));
        await stage.expectStored(...storedBefore, ...winners);
      }),
  },
  {
    name: 'a save of new rows alone that is cut off does not deny them, and its repeat says saved',
    needs: ['wire'],
    check: async (stage) => {
      for (const fault of ['unreachable', 'answer_lost', 'late'] as const) {
        const scene = (after: number) => newScene(stage, `${stage.campaignId}-${fault}-${after}`, 4);
        await atEveryUnit(stage, fault, cutOff(stage), scene);
      }
    },
  },
  {
    name: 'a save of 1,000 rows that cannot reach the database in the middle does not deny the rows before it',
    needs: ['wire'],
    check: (stage) =>
      atEveryUnit(stage, 'unreachable', cutOff(stage), (after) =>
        after < FIRST_UNITS ? newScene(stage, `${stage.campaignId}-${after}`, 1_000) : null,
      ),
  },
  {
    name: 'list that cannot reach the database throws: an empty answer would mean a new campaign',
    needs: ['list', 'wire'],
    check: (stage) =>
      readAtEveryUnit(stage, (stored) => stage.adapter.list!(stored[0]!.campaignId, { afterSerial: 0, limit: 10 })),
  },
  {
    name: 'find that cannot reach the database throws',
    needs: ['find', 'wire'],
    check: (stage) => readAtEveryUnit(stage, (stored) => stage.adapter.find!(stored)),
  },
];

/** A batch with every kind of work in it: two to insert, one that is stored, one that is refused. */
interface Scene extends Truth {
  readonly batch: readonly Issuance[];
  readonly words: readonly SaveVerdict['verdict'][];
  readonly fresh: readonly [Issuance, Issuance];
}

async function sceneIn(stage: Stage, campaignId: string): Promise<Scene> {
  const storedBefore = [stage.issuance({ campaignId }), stage.issuance({ campaignId })] as const;
  const [known, taken] = storedBefore;
  await stage.given(...storedBefore);
  const fresh: Scene['fresh'] = [stage.issuance({ campaignId }), stage.issuance({ campaignId })];
  return {
    batch: [fresh[0], known, stage.issuance({ campaignId, serial: taken.serial }), fresh[1]],
    words: ['saved', 'saved', 'serial_conflict', 'saved'],
    fresh,
    storedBefore,
    storedAfter: [...storedBefore, ...fresh],
  };
}

/** Nothing of the batch is stored before, so an adapter that looks for it after an error may find no row at all. */
async function newScene(stage: Stage, campaignId: string, count: number): Promise<Scene> {
  // A row of another batch, by which the campaign is looked at.
  const before = stage.issuance({ campaignId });
  await stage.given(before);
  const batch = Array.from({ length: count }, () => stage.issuance({ campaignId }));
  const fresh = [batch[0]!, batch[1]!] as const;
  return { batch, words: batch.map(() => 'saved'), fresh, storedBefore: [before], storedAfter: [before, ...batch] };
}

const cutOff = (stage: Stage) => async (scene: Scene, attempt: StagedSave) => {
  await stage.wire.arrive();
  await stage.expectTruth(attempt, scene);
  await expectRepeat(stage, scene);
};

async function expectRepeat(stage: Stage, { batch, words, storedAfter }: Scene): Promise<void> {
  await stage.expectSave([...batch], words);
  await stage.expectStored(...storedAfter);
}

/**
 * Strikes the first unit of a save, then the second of another, and so on, until a save has none left to strike, or there
 * is no scene more.
 */
async function atEveryUnit(
  stage: Stage,
  fault: Fault,
  check: (scene: Scene, attempt: StagedSave) => Promise<void>,
  sceneOf: (after: number) => Promise<Scene> | null = (after) => sceneIn(stage, `${stage.campaignId}-${after}`),
): Promise<void> {
  for (let after = 0; after < MAX_UNITS; after++) {
    const scene = await sceneOf(after);
    if (!scene) return;
    stage.wire.strike(fault, { after });
    const attempt = await stage.attempt([...scene.batch]);
    const struck = stage.wire.calm();
    await check(scene, attempt);
    if (!struck) return;
  }
  assert.fail(`four issuances take more than ${MAX_UNITS} units of work`);
}

/** The same with a call that reads: it throws, or it has read everything in spite of the fault. */
async function readAtEveryUnit(
  stage: Stage,
  read: (stored: Issuance[]) => Promise<readonly (Issuance | null)[]>,
): Promise<void> {
  const stored = stage.issuances(3);
  await stage.given(...stored);
  for (let after = 0; after < MAX_UNITS; after++) {
    stage.wire.strike('unreachable', { after });
    const answer = await answerOf(() => read(stored));
    const struck = stage.wire.calm();
    if (answer) assertIssuances(answer, stored);
    if (!struck) return assert.ok(answer, 'it answers when nothing is in its way');
  }
  assert.fail(`three issuances take more than ${MAX_UNITS} units of work to read`);
}

async function answerOf<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch {
    return null;
  }
}
