import { setImmediate } from 'node:timers/promises';
import { type Issuance, NotSavedError } from '../../src/index.js';
import { UNTOUCHED } from '../../src/model/life.js';
import type { ChangeVerdict, CouponChange, CouponRef } from '../../src/persistence/coupon-change.js';
import type { Wire } from '../../src/testing/index.js';
import type { Broken } from './broken.js';
import { Sheet } from './sheet.js';

const LOOKS = ' (if it looks and changes)';
const WIRED = ' (if it looks and changes and is wired)';

type Right = (change: CouponChange) => Issuance | null;

/** Makes a row another by another rule. `right`: the row by the rule of the sheet. */
function changing(rule: (row: Issuance, change: CouponChange, right: Right) => Issuance | null) {
  return class extends Sheet {
    protected override changed(row: Issuance, change: CouponChange): Issuance | null {
      return rule(row, change, (one) => super.changed(row, one));
    }
  };
}

/** Finds a coupon by another rule. */
function naming(rule: (row: Issuance, ref: CouponRef, right: boolean) => boolean) {
  return class extends Sheet {
    protected override isNamed(row: Issuance, ref: CouponRef): boolean {
      return rule(row, ref, super.isNamed(row, ref));
    }
  };
}

/** Works on a whole batch by another rule. */
function batching(rule: (sheet: Sheet, changes: readonly CouponChange[]) => ChangeVerdict[]) {
  return class extends Sheet {
    override async change(changes: readonly CouponChange[]): Promise<readonly ChangeVerdict[]> {
      return rule(this, changes);
    }
  };
}

const lifeOf = (row: Issuance) => row.life ?? UNTOUCHED;
const withVersion = (change: CouponChange, row: Issuance) => ({ ...change, version: lifeOf(row).version });
const withLife = (row: Issuance | null, life: Partial<typeof UNTOUCHED>) =>
  row && { ...row, life: { ...lifeOf(row), ...life } };

/** A sheet whose changes go over the wire. */
class WiredSheet extends Sheet {
  protected readonly wire: Wire;

  constructor(wire: Wire) {
    super();
    this.wire = wire;
  }

  override async save(...args: Parameters<Sheet['save']>) {
    return this.wire.send(() => super.save(...args));
  }

  override async change(...args: Parameters<Sheet['change']>) {
    return this.wire.send(() => super.change(...args));
  }
}

export const WRONG_CHANGES: Broken[] = [
  {
    how: 'does not count the version up',
    Adapter: changing((row, change, right) => withLife(right(change), { version: lifeOf(row).version })),
    caughtBy: ['a change of the right version is made as a whole, and counts up'].map((name) => name + LOOKS),
  },
  {
    how: 'forgets the end that a change sets',
    Adapter: changing((row, change, right) => {
      const changed = right(change);
      return changed && { ...changed, expiresAt: row.expiresAt ?? null };
    }),
    caughtBy: ['a later end of a coupon holds for the next change'].map((name) => name + LOOKS),
  },
  {
    how: 'makes a change of any version',
    Adapter: changing((row, change, right) => right(withVersion(change, row))),
    caughtBy: [
      'a change of another version changes nothing, and gives the row as it is',
      'of a thousand changes every second one is made, if every second version is right',
    ].map((name) => name + LOOKS),
  },
  {
    how: 'sets the time with every change',
    Adapter: changing((row, change, right) =>
      withLife(right(change), { at: new Date((lifeOf(row).at?.getTime() ?? Date.now()) + 1_000) }),
    ),
    caughtBy: ['a change without a state keeps state, time and id'].map((name) => name + LOOKS),
  },
  {
    how: 'keeps the id of a redemption that is undone',
    Adapter: changing((row, change, right) => withLife(right(change), { by: change.to?.by ?? lifeOf(row).by })),
    caughtBy: ['a change to issued says so, with its time and without an id'].map((name) => name + LOOKS),
  },
  {
    how: 'takes the time of its zone for UTC',
    Adapter: changing((_, change, right) => {
      const changed = right(change);
      const { at } = changed ? lifeOf(changed) : UNTOUCHED;
      return withLife(changed, { at: at && new Date(at.getTime() + 9 * 3_600_000) });
    }),
    caughtBy: ['the time of a change is of the database, within an hour of this process'].map((name) => name + LOOKS),
  },
  {
    how: 'never looks at the end of a coupon',
    Adapter: changing((_, change, right) => right({ ...change, unexpired: false })),
    caughtBy: ['a coupon that must not have expired is changed before its end, and not after it'].map(
      (name) => name + LOOKS,
    ),
  },
  {
    how: 'finds a coupon by its code alone',
    Adapter: naming((row, ref, right) =>
      'code' in ref ? row.campaignId === ref.campaignId && row.code === ref.code : right,
    ),
    caughtBy: ['the coupon of another user, serial, campaign or spelling is not found, and not changed'].map(
      (name) => name + LOOKS,
    ),
  },
  {
    how: 'does not know a coupon by its serial',
    Adapter: naming((_, ref, right) => !('serial' in ref) && right),
    caughtBy: ['a coupon is found by its code, by id and user, and by id and serial'].map((name) => name + LOOKS),
  },
  {
    how: 'answers in the order of its rows',
    Adapter: batching((sheet, changes) =>
      changes.map((change) => sheet.changeOne(change)).sort((a, b) => (a.row?.serial ?? 0) - (b.row?.serial ?? 0)),
    ),
    caughtBy: ['verdicts come in the order asked, and one that is not made takes no other along'].map(
      (name) => name + LOOKS,
    ),
  },
  {
    how: 'makes all changes of a batch like the first one',
    Adapter: batching((sheet, changes) =>
      changes.map((change) =>
        sheet.changeOne({
          ...changes[0]!,
          ref: change.ref,
        }),
      ),
    ),
    caughtBy: ['a batch may mix campaigns, ways to name a coupon, and kinds of change'].map((name) => name + LOOKS),
  },
  {
    how: 'looks at the version a moment before it changes the row',
    Adapter: class extends Sheet {
      override async change(changes: readonly CouponChange[]): Promise<readonly ChangeVerdict[]> {
        const rows = await this.look(changes.map(({ ref }) => ref));
        await setImmediate();
        return changes.map((change, i) => {
          const row = rows[i];
          const right = row && lifeOf(row).version === change.version;
          const now = this.rows.find((one) => one.id === row?.id);
          return this.changeOne(right && now ? withVersion(change, now) : change);
        });
      }
    },
    caughtBy: [
      'of twenty simultaneous changes of one version exactly one is made, and the others see it',
      'two simultaneous batches that meet in opposite orders change each coupon once',
    ].map((name) => name + LOOKS),
  },
  {
    how: 'keeps the grant of a coupon whose grant is freed',
    Adapter: changing((row, change, right) => {
      const changed = right(change);
      return changed && { ...changed, grant: row.grant };
    }),
    caughtBy: [
      'a grant that is freed can be saved anew, and its old row keeps its id, serial and code',
      'two grants of one user that were freed stand in no way',
    ].map((name) => name + LOOKS),
  },
  {
    how: 'writes a row anew that is saved again',
    Adapter: class extends Sheet {
      protected override saveOne(issuance: Issuance) {
        const at = this.rows.findIndex(({ id, serial }) => id === issuance.id && serial === issuance.serial);
        if (at >= 0) this.rows[at] = this.stored(issuance);
        return super.saveOne(issuance);
      }
    },
    caughtBy: ['a save after a change keeps the life of the row, and says saved'].map((name) => name + LOOKS),
  },
  {
    how: 'takes a row that was revoked for one that is saved',
    Adapter: class extends Sheet {
      protected override isSaved(row: Issuance, issuance: Issuance) {
        return super.isSaved({ ...row, life: UNTOUCHED }, issuance);
      }
    },
    caughtBy: [
      'a save of a coupon that was revoked is told user_conflict with its row',
      'a grant that is freed can be saved anew, and its old row keeps its id, serial and code',
    ].map((name) => name + LOOKS),
  },
  {
    how: 'lists rows as they were issued',
    Adapter: class extends Sheet {
      override async list(...args: Parameters<Sheet['list']>) {
        return (await super.list(...args)).map(({ life: _, ...row }) => row);
      }
    },
    caughtBy: ['list, find and listByUser show the same life as look, of a coupon whose grant is freed as well'].map(
      (name) => name + LOOKS,
    ),
  },
  {
    how: 'lists no coupon whose grant is freed',
    Adapter: class extends Sheet {
      override async list(...args: Parameters<Sheet['list']>) {
        return (await super.list(...args)).filter(({ grant }) => grant > 0);
      }
    },
    caughtBy: [
      'a grant that is freed can be saved anew, and its old row keeps its id, serial and code',
      'list, find and listByUser show the same life as look, of a coupon whose grant is freed as well',
    ].map((name) => name + LOOKS),
  },
  {
    how: 'finds a coupon whose grant is freed under the grant that it had',
    Adapter: class extends Sheet {
      override async find(issuances: readonly Issuance[]) {
        return (await super.find(issuances)).map((row) => row && { ...row, grant: row.grant || 1 });
      }
    },
    caughtBy: ['list, find and listByUser show the same life as look, of a coupon whose grant is freed as well'].map(
      (name) => name + LOOKS,
    ),
  },
  {
    how: 'denies a change that it made under an aborted signal',
    Adapter: class extends Sheet {
      override async change(changes: readonly CouponChange[], options: { signal: AbortSignal }) {
        const verdicts = await super.change(changes);
        options.signal.throwIfAborted();
        return verdicts;
      }
    },
    caughtBy: ['a change under a signal that was aborted changes nothing, or all of it and says so'].map(
      (name) => name + LOOKS,
    ),
  },
  {
    how: 'takes a lost answer for a change that was not made',
    Adapter: class extends WiredSheet {
      override async change(...args: Parameters<Sheet['change']>) {
        return super.change(...args).catch(() => {
          throw new NotSavedError('lost', { wholeBatch: true });
        });
      }
    },
    caughtBy: ['a change that committed and lost the answer does not deny it'].map((name) => name + WIRED),
  },
  {
    how: 'makes the change at once and sends it as well',
    Adapter: class extends WiredSheet {
      override async change(...args: Parameters<Sheet['change']>) {
        const verdicts = await Sheet.prototype.change.apply(this, args);
        await this.wire
          .send(() => {})
          .catch(() => {
            throw new NotSavedError('not sent', { wholeBatch: true });
          });
        return verdicts;
      }
    },
    caughtBy: ['a change that cannot reach the database changes nothing'].map((name) => name + WIRED),
  },
  {
    how: 'makes a change that is late whatever the version is by then',
    Adapter: class extends WiredSheet {
      override async change(...args: Parameters<Sheet['change']>) {
        const [changes] = args;
        return this.wire.send(async () => {
          const rows = await this.look(changes.map(({ ref }) => ref));
          const anyVersion = changes.map((one, i) => (rows[i] && one.to ? withVersion(one, rows[i]!) : one));
          return Sheet.prototype.change.call(this, anyVersion);
        });
      }
    },
    caughtBy: ['a change that arrives after a newer one changes nothing'].map((name) => name + WIRED),
  },
];
