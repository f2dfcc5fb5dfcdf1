import assert from 'node:assert/strict';
import { textFault } from '../model/check.js';
import { isErrorNamed } from '../model/foreign.js';
import type { Case, Stage } from './stage.js';
import type { Fault } from './wire.js';

/** More than any adapter needs to ask its database about itself. */
const MAX_UNITS = 20;

/** Whether the table is fit, and which database it is. */
export const checkCases: Case[] = [
  {
    name: 'check finds the table fit that save has stored in, however often and by however many it is asked',
    needs: ['check'],
    check: async (stage) => {
      await stage.given(stage.issuance());
      const answers = await Promise.all([check(stage), check(stage), check(stage)]);
      for (const answer of answers) {
        const { format } = (answer ?? { format: 1 }) as { format?: unknown };
        assert.ok(Number.isSafeInteger(format), 'check resolves to nothing, or to { format } with a whole number');
      }
    },
  },
  {
    name: 'check stores nothing and removes nothing',
    needs: ['check'],
    check: async (stage) => {
      await stage.expectStored();
      await check(stage);
      await stage.expectStored();
      const stored = stage.issuance();
      await stage.given(stored);
      await check(stage);
      await stage.expectStored(stored);
    },
  },
  {
    name: 'a check that got no answer does not say that the table is not fit',
    needs: ['check', 'wire'],
    check: (stage) =>
      atEveryUnit(stage, async () => {
        const error = await check(stage).then(
          () => null,
          (error: unknown) => error,
        );
        assert.ok(
          !isErrorNamed(error, 'MisconfiguredError'),
          'MisconfiguredError is thrown only if the table was seen',
        );
      }),
  },
  {
    name: 'identity is the same text each time, 1 to 128 bytes, or null',
    needs: ['identity'],
    check: async (stage) => {
      const first = await identity(stage);
      assert.equal(first === null ? null : textFault(first), null, 'identity resolves to a text, or to null');
      await stage.given(stage.issuance());
      assert.equal(await identity(stage), first, 'identity answers the same as before');
    },
  },
  {
    name: 'an identity that got no answer is thrown, and never answered as null',
    needs: ['identity', 'wire'],
    check: async (stage) => {
      const known = await identity(stage);
      await atEveryUnit(stage, async () => {
        const answer = await identity(stage).catch(() => known);
        assert.equal(answer, known, 'identity throws if the database could not be asked');
      });
    },
  },
];

async function check({ adapter }: Stage): Promise<unknown> {
  return adapter.check!();
}

async function identity({ adapter }: Stage): Promise<string | null> {
  return adapter.identity!();
}

/** Tries it while each of its units in turn gets no answer, until there is none left to fail. */
async function atEveryUnit({ wire }: Stage, ask: () => Promise<void>): Promise<void> {
  for (const fault of ['unreachable', 'answer_lost'] satisfies Fault[]) {
    for (let after = 0; after < MAX_UNITS; after++) {
      wire.strike(fault, { after });
      await ask();
      if (!wire.calm()) break;
    }
  }
}
