import { type CampaignDefinition, type Stock, toRules } from '../model/campaign-rules.js';
import type { CliOption } from './command.js';
import { UsageError } from './faults.js';
import type { CliInput } from './input.js';

const INSTANT = 'INSTANT';

/** The rules of a campaign as options, or all of them in a file. */
export const DEFINITION: Readonly<Record<string, CliOption>> = {
  definition: { value: 'FILE', help: 'the whole definition as JSON, instead of the options below' },
  total: { value: 'N', help: 'stock: a number of units' },
  codes: { help: 'stock: codes that are loaded' },
  unlimited: { help: 'stock: no limit' },
  'generate-codes': { help: 'each unit gets a code (with --total or --unlimited)' },
  'per-user': { value: 'N', help: 'coupons per user; default 1' },
  'opens-at': { value: INSTANT, help: 'such as 2030-05-01T10:00:00+09:00; default: at once' },
  'closes-at': { value: INSTANT, help: 'default: it stays open' },
  'save-mode': { value: 'MODE', help: 'write-through (default) or write-behind' },
  'valid-until': { value: INSTANT, help: 'coupons are valid before this instant' },
  'valid-for': { value: 'TIME', help: 'coupons are valid for so long from their issue, such as 30d' },
  'valid-days': { value: 'N', help: 'coupons are valid to the end of this day after their issue; needs --time-zone' },
  'time-zone': { value: 'ZONE', help: 'such as Asia/Seoul' },
  queued: { help: 'with a waiting room' },
  'max-waiting': { value: 'N', help: 'waiting room: the most users in line' },
  overbook: { value: 'N', help: 'waiting room: more users in line than units' },
  presence: { value: 'TIME', help: 'waiting room: an absent user loses the place after twice this time' },
  'draw-at-open': { help: 'waiting room: a draw at the opening orders the users that came before' },
  'saves-per-second': { value: 'N', help: 'the first pace of the workers' },
  'admit-per-second': { value: 'N', help: 'waiting room: the first pace of admission' },
};

/** Throws `UsageError` and `InvalidArgumentError`. */
export function definitionOf(input: CliInput): CampaignDefinition {
  const file = input.text('definition');
  if (file !== undefined) {
    const beside = Object.keys(DEFINITION).find((name) => name !== 'definition' && input.has(name));
    if (beside) throw new UsageError(`--definition has every rule: leave out --${beside}`);
  }
  const definition = file === undefined ? ofOptions(input) : (input.json('definition') as CampaignDefinition);
  // Whether there is a database is not known yet.
  toRules(definition, ['persistence']);
  return definition;
}

function ofOptions(input: CliInput): CampaignDefinition {
  const validity = given({
    until: input.text('valid-until'),
    forMs: input.duration('valid-for'),
    days: input.integer('valid-days'),
    timeZone: input.text('time-zone'),
  });
  const pace = given({
    savesPerSecond: input.rate('saves-per-second'),
    admitPerSecond: input.rate('admit-per-second'),
  });
  return given({
    stock: stockOf(input),
    perUser: input.integer('per-user'),
    opensAt: input.text('opens-at'),
    closesAt: input.text('closes-at'),
    saveMode: input.text('save-mode'),
    validity,
    admission: input.has('queued') ? 'queued' : undefined,
    maxWaiting: input.integer('max-waiting'),
    overbook: input.integer('overbook'),
    presenceMs: input.duration('presence'),
    drawAtOpen: input.has('draw-at-open') || undefined,
    pace,
  }) as unknown as CampaignDefinition;
}

function stockOf(input: CliInput): Stock {
  const generateCodes = input.has('generate-codes') || undefined;
  const kind = input.oneOf('total', 'codes', 'unlimited', 'definition');
  if (kind === 'codes' && generateCodes) {
    throw new UsageError('--generate-codes is for --total and --unlimited: codes make makes codes to load');
  }
  if (kind === 'codes') return { kind };
  return kind === 'total'
    ? { kind: 'counted', total: input.integer('total')!, generateCodes }
    : { kind: 'unlimited', generateCodes };
}

/** Without the fields that were not given; `undefined` if none is left. */
function given(fields: Readonly<Record<string, unknown>>): Record<string, unknown> | undefined {
  const found = Object.entries(fields).filter(([, value]) => value !== undefined);
  return found.length === 0 ? undefined : Object.fromEntries(found);
}
