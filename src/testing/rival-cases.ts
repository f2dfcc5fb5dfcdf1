import assert from 'node:assert/strict';
import type { Issuance } from '../model/issuance.js';
import { assertUserConflict, wordsOf } from './assertions.js';
import type { Case, Stage } from './stage.js';

/** Saves at the same time. */
export const rivalCases: Case[] = [
  {
    name: 'two simultaneous saves of the same batch store each issuance once, and both say saved',
    check: async (stage) => {
      const batch = stage.issuances(20);
      await stage.prepare(...batch);
      await Promise.all([stage.given(...batch), stage.given(...batch)]);
      await stage.expectStored(...batch);
    },
  },
  {
    name: 'of two simultaneous saves of the same batch neither says saved before the rows are stored',
    check: async (stage) => {
      const batch = stage.issuances(20);
      await stage.prepare(...batch);
      const saveAndLook = async () => {
        await stage.given(...batch);
        await stage.expectStored(...batch);
      };
      await Promise.all([saveAndLook(), saveAndLook()]);
    },
  },
  {
    name: 'twenty simultaneous saves of one issuance store it once, and all say saved',
    check: async (stage) => {
      const issuance = stage.issuance();
      await stage.prepare(issuance);
      await Promise.all(Array.from({ length: 20 }, () => stage.given(issuance)));
      await stage.expectStored(issuance);
    },
  },
  {
    name: 'two simultaneous saves that meet in opposite orders store every issuance of both',
    check: async (stage) => {
      const shared = stage.issuances(50);
      const [own, otherOwn] = [stage.issuance(), stage.issuance()];
      const batches = [
        [own, ...shared],
        [otherOwn, ...shared.toReversed()],
      ];
      await stage.prepare(own, otherOwn, ...shared);
      const verdicts = await Promise.all(batches.map((batch) => stage.saveInTwo(...batch)));
      for (const words of verdicts.map(wordsOf)) assert.deepEqual(new Set(words), new Set(['saved']));
      await stage.expectStored(own, otherOwn, ...shared);
    },
  },
  {
    name: 'two simultaneous saves that want the same serials in opposite orders share them out',
    check: async (stage) => {
      const [own, otherOwn] = [stage.issuance(), stage.issuance()];
      const rivals = stage.issuances(50);
      const others = rivals.map(({ serial }) => stage.issuance({ serial }));
      await stage.prepare(own, otherOwn, ...rivals, ...others);
      const [[word, ...words], [otherWord, ...otherWords]] = (
        await Promise.all([stage.saveInTwo(own, ...rivals), stage.saveInTwo(otherOwn, ...others.toReversed())])
      ).map(wordsOf) as [string[], string[]];
      assert.deepEqual([word, otherWord], ['saved', 'saved']);
      const winners = sharedOut([rivals, words], [others, otherWords.toReversed()], 'serial_conflict');
      await stage.expectStored(own, otherOwn, ...winners);
    },
  },
  {
    name: 'of two simultaneous saves that want one serial exactly one is told saved',
    check: wantTheSame(({ serial }) => ({ serial }), 'serial_conflict'),
  },
  {
    name: 'of two simultaneous saves that want one code exactly one is told saved',
    check: wantTheSame(({ code }) => ({ code }), 'code_conflict'),
  },
  {
    name: 'of two simultaneous saves of one grant exactly one is told saved, and the other gets its row',
    check: async (stage) => {
      const first = stage.issuance();
      const second = stage.issuance({ userId: first.userId });
      await stage.prepare(first, second);
      const [[verdict], [otherVerdict]] = await Promise.all([stage.save(first), stage.save(second)]);
      const firstWon = verdict?.verdict === 'saved';
      assert.equal((firstWon ? verdict : otherVerdict)?.verdict, 'saved');
      assertUserConflict(firstWon ? otherVerdict : verdict, firstWon ? first : second);
      await stage.expectStored(firstWon ? first : second);
    },
  },
];

/** Ten issuances and ten others that want the same of each. */
function wantTheSame(what: (one: Issuance) => Partial<Issuance>, refusal: string): Case['check'] {
  return async (stage: Stage) => {
    const rivals = stage.issuances(10);
    const others = rivals.map((one) => stage.issuance(what(one)));
    await stage.prepare(...rivals, ...others);
    const [verdicts, otherVerdicts] = await Promise.all([stage.save(...rivals), stage.save(...others)]);
    await stage.expectStored(...sharedOut([rivals, wordsOf(verdicts)], [others, wordsOf(otherVerdicts)], refusal));
  };
}

type Side = [issuances: Issuance[], words: string[]];

/** Of each pair one was saved and the other refused: those that were saved. */
function sharedOut([rivals, words]: Side, [others, otherWords]: Side, refusal: string): Issuance[] {
  return rivals.map((rival, i) => {
    const pair = [words[i], otherWords[i]];
    assert.deepEqual(pair.toSorted(), ['saved', refusal].toSorted());
    return pair[0] === 'saved' ? rival : others[i]!;
  });
}
