import { setImmediate } from 'node:timers/promises';
import type { Issuance, SaveVerdict } from '../../src/index.js';
import type { Broken } from './broken.js';
import { Sheet } from './sheet.js';

interface Page {
  readonly afterSerial: number;
  readonly limit: number;
}

/** Lists by another rule. */
function listing(list: (rows: Issuance[], campaignId: string, page: Page) => Issuance[]) {
  return class extends Sheet {
    override async list(campaignId: string, page: Page): Promise<readonly Issuance[]> {
      return list(this.rows, campaignId, page);
    }
  };
}

/** Finds by another rule. */
function finding(find: (rows: Issuance[], asked: readonly Issuance[]) => (Issuance | null)[]) {
  return class extends Sheet {
    override async find(issuances: readonly Issuance[]): Promise<readonly (Issuance | null)[]> {
      return find(this.rows, issuances);
    }
  };
}

const ofCampaign = (rows: Issuance[], campaignId: string) =>
  rows.filter((row) => row.campaignId === campaignId).sort((a, b) => a.serial - b.serial);

export const WRONG_READING: Broken[] = [
  {
    how: 'lists without the codes',
    Adapter: listing((rows, campaignId, page) =>
      ofCampaign(rows, campaignId)
        .filter(({ serial }) => serial > page.afterSerial)
        .slice(0, page.limit)
        .map((row) => ({ ...row, code: null })),
    ),
    caughtBy: ['list gives every issuance of the campaign with all its fields (if it lists)'],
  },
  {
    how: 'lists in the order of saving',
    Adapter: listing((rows, campaignId, { afterSerial, limit }) =>
      rows.filter((row) => row.campaignId === campaignId && row.serial > afterSerial).slice(0, limit),
    ),
    caughtBy: [
      'list is in the order of serials, whatever the order of saving (if it lists)',
      'list gives at most limit, the lowest serials first (if it lists)',
    ],
  },
  {
    how: 'lists from afterSerial on',
    Adapter: listing((rows, campaignId, { afterSerial, limit }) =>
      ofCampaign(rows, campaignId)
        .filter((row) => row.serial >= afterSerial)
        .slice(0, limit),
    ),
    caughtBy: [
      'list begins after afterSerial (if it lists)',
      'list page by page meets every issuance once, whatever the size of a page (if it lists)',
    ],
  },
  {
    how: 'takes afterSerial for an offset',
    Adapter: listing((rows, campaignId, { afterSerial, limit }) =>
      ofCampaign(rows, campaignId).slice(afterSerial, afterSerial + limit),
    ),
    caughtBy: ['list begins after afterSerial (if it lists)'],
  },
  {
    how: 'skips as many as it gave out',
    Adapter: class extends Sheet {
      #given = 0;

      override async list(campaignId: string, { afterSerial, limit }: Page): Promise<readonly Issuance[]> {
        if (afterSerial === 0) this.#given = 0;
        const page = ofCampaign(this.rows, campaignId).slice(this.#given, this.#given + limit);
        this.#given += page.length;
        return page;
      }
    },
    caughtBy: ['list page by page misses nothing while issuances are saved before and behind (if it lists)'],
  },
  {
    how: 'lists only up to the first row that is still being saved',
    Adapter: class extends Sheet {
      readonly #saving = new Set<number>();

      override async save(issuances: readonly Issuance[]): Promise<readonly SaveVerdict[]> {
        for (const { serial } of issuances) this.#saving.add(serial);
        await setImmediate();
        for (const { serial } of issuances) this.#saving.delete(serial);
        return super.save(issuances);
      }

      override async list(campaignId: string, page: Page): Promise<readonly Issuance[]> {
        const first = Math.min(...this.#saving);
        return (await super.list(campaignId, page)).filter(({ serial }) => serial < first);
      }
    },
    caughtBy: ['list while saves go on gives everything that was committed before (if it lists)'],
  },
  {
    how: 'takes the campaign id for a pattern',
    Adapter: listing((rows, campaignId, { afterSerial, limit }) =>
      rows
        .filter((row) => new RegExp(`^${campaignId.replaceAll('_', '.')}$`).test(row.campaignId))
        .filter(({ serial }) => serial > afterSerial)
        .slice(0, limit),
    ),
    caughtBy: ['list takes the campaign id for a name, not for a pattern (if it lists)'],
  },
  {
    how: 'lists without a limit',
    Adapter: listing((rows, campaignId, { afterSerial }) =>
      ofCampaign(rows, campaignId).filter((row) => row.serial > afterSerial),
    ),
    caughtBy: ['list gives at most limit, the lowest serials first (if it lists)'],
  },
  {
    how: 'lists every campaign',
    Adapter: listing((rows, _, { afterSerial, limit }) =>
      rows
        .filter((row) => row.serial > afterSerial)
        .sort((a, b) => a.serial - b.serial)
        .slice(0, limit),
    ),
    caughtBy: ['list leaves other campaigns out (if it lists)'],
  },
  {
    how: 'cannot list a campaign that it does not know',
    Adapter: listing((rows, campaignId, { afterSerial, limit }) => {
      const known = ofCampaign(rows, campaignId);
      if (known.length === 0) throw new Error('no such campaign');
      return known.filter((row) => row.serial > afterSerial).slice(0, limit);
    }),
    caughtBy: ['list of a campaign that has no issuance is empty (if it lists)'],
  },
  {
    how: 'finds in the order of the rows, without the missing ones',
    Adapter: finding((rows, asked) => rows.filter((row) => asked.some(({ id }) => id === row.id))),
    caughtBy: [
      'find answers in the order asked, with null for what is not stored (if it finds)',
      'find may be asked of several campaigns at once (if it finds)',
    ],
  },
  {
    how: 'finds each row once',
    Adapter: finding((rows, asked) => {
      const left = [...rows];
      return asked.map(({ id }) => {
        const at = left.findIndex((row) => row.id === id);
        return at < 0 ? null : left.splice(at, 1)[0]!;
      });
    }),
    caughtBy: ['find answers an id that is asked twice both times (if it finds)'],
  },
  {
    how: 'finds by the serial',
    Adapter: finding((rows, asked) =>
      asked.map((one) => rows.find((row) => row.campaignId === one.campaignId && row.serial === one.serial) ?? null),
    ),
    caughtBy: [
      'find does not take another id on the same serial, code or grant for the one it was asked (if it finds)',
      'find gives the row of an id that is stored on another unit (if it finds)',
    ],
  },
];
