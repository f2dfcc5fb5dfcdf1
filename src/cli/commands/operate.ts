import { randomUUID } from 'node:crypto';
import { checkedPace, type PaceChange } from '../../model/pace.js';
import type { Wave } from '../../model/waves.js';
import { checkedClose, checkedRestock } from '../../operate/requests.js';
import { checkedUpdate } from '../../operate/update.js';
import type { CliCommand } from '../command.js';
import { DEFINITION, definitionOf } from '../definition.js';
import { UsageError } from '../faults.js';
import type { CliInput } from '../input.js';
import { fieldsOf } from '../output.js';
import { snapshotLines } from '../show.js';

const CAMPAIGN = ['campaign'] as const;
const REQUEST_ID = { value: 'ID', help: 'repeat a call under its id after a fault; default: a random one' };

const open: CliCommand = {
  name: 'open',
  summary: 'Open a campaign, or find it open with the same rules.',
  args: CAMPAIGN,
  options: {
    ...DEFINITION,
    'create-table': { help: 'create the table of coupons first, if it is missing' },
    'skip-row-check': { help: 'do not ask the database for rows of this campaign' },
    rebind: { help: 'bind a campaign of another database to this one' },
  },
  example: 'open night --total 1000 --opens-at 2030-05-01T10:00:00+09:00',
  effect: 'changes',
  prepare: (input) => {
    const { campaign: id } = input;
    const definition = definitionOf(input);
    const creates = input.has('create-table');
    const store = input.has('rebind') ? ('rebind' as const) : undefined;
    return {
      does: `${creates ? 'create the table of coupons if it is missing, and ' : ''}open campaign ${id}`,
      run: async ({ issuer, createTable, out }) => {
        if (creates && !createTable) {
          throw new UsageError('--create-table needs DATABASE_URL, and no config: a config makes its own table');
        }
        if (creates) await createTable?.();
        const options = { skipRowCheck: input.has('skip-row-check'), store };
        const { status, campaign } = await issuer.campaign(id).open(definition, options);
        await out.item({ status, ...campaign }, () => [...fieldsOf({ status }), ...snapshotLines(campaign, out)]);
      },
    };
  },
};

/** `none` removes a bound. */
function bound(input: CliInput, name: string): string | null | undefined {
  const text = input.text(name);
  return text === 'none' ? null : text;
}

const update: CliCommand = {
  name: 'update',
  summary: 'Move the window of a running campaign, or raise its limit per user.',
  args: CAMPAIGN,
  options: {
    'opens-at': { value: 'INSTANT', help: 'an instant, or none' },
    'closes-at': { value: 'INSTANT', help: 'an instant, or none' },
    'per-user': { value: 'N', help: 'the present number or more' },
    'request-id': REQUEST_ID,
  },
  example: 'update night --closes-at 2030-05-01T12:00:00+09:00',
  effect: 'changes',
  prepare: (input) => {
    const { campaign: id } = input;
    const [opensAt, closesAt] = [bound(input, 'opens-at'), bound(input, 'closes-at')];
    const perUser = input.integer('per-user');
    if ([opensAt, closesAt, perUser].every((rule) => rule === undefined)) {
      throw new UsageError('there is nothing to change: give --opens-at, --closes-at or --per-user');
    }
    const change = { opensAt, closesAt, perUser, requestId: input.text('request-id') ?? randomUUID() };
    checkedUpdate(change);
    return {
      does: `change the rules of campaign ${id}`,
      run: async ({ issuer, out }) => {
        const rules = await issuer.campaign(id).update(change);
        await out.item({ id, ...rules }, () =>
          fieldsOf({ 'opens at': rules.opensAt, 'closes at': rules.closesAt, 'per user': rules.perUser }),
        );
      },
    };
  },
};

function switching(name: 'pause' | 'resume', summary: string): CliCommand {
  return {
    name,
    summary,
    args: CAMPAIGN,
    options: {},
    example: `${name} night`,
    effect: 'changes',
    prepare: ({ campaign: id }) => ({
      does: `${name} campaign ${id}`,
      run: async ({ issuer, out }) => {
        await issuer.campaign(id)[name]();
        const word = `${name}d`;
        await out.item({ id, status: word }, () => [`${id} ${word}`]);
      },
    }),
  };
}

const restock: CliCommand = {
  name: 'restock',
  summary: 'Change the number of units of a counted campaign.',
  args: CAMPAIGN,
  options: {
    add: { value: 'N', help: 'units to add; a negative number removes units that nobody holds' },
    'request-id': REQUEST_ID,
  },
  example: 'restock night --add 500 --request-id second-batch',
  effect: 'changes',
  prepare: (input) => {
    const { campaign: id } = input;
    input.needed('add');
    const change = { add: input.integer('add')!, requestId: input.text('request-id') ?? randomUUID() };
    checkedRestock(change);
    return {
      does: `add ${change.add} units to campaign ${id}`,
      run: async ({ issuer, out }) => {
        // A repeat after a lost reply must not add twice.
        if (!input.has('request-id')) out.note(`after a fault, repeat it with --request-id ${change.requestId}`);
        const restocked = await issuer.campaign(id).restock(change);
        await out.item({ id, ...restocked }, () => fieldsOf({ ...restocked }));
      },
    };
  },
};

const pace: CliCommand = {
  name: 'pace',
  summary: 'Change how fast the workers of a campaign go, all of them together.',
  args: CAMPAIGN,
  options: {
    'saves-per-second': { value: 'N', help: 'a number, or none' },
    'admit-per-second': { value: 'N', help: 'waiting room: a number, or none' },
    waves: { value: 'FILE', help: 'waiting room: waves as JSON, or none' },
  },
  example: 'pace night --saves-per-second 100',
  effect: 'changes',
  prepare: (input) => {
    const { campaign: id } = input;
    const waves = input.text('waves');
    const change: PaceChange = {
      savesPerSecond: input.rate('saves-per-second'),
      admitPerSecond: input.rate('admit-per-second'),
      waves: waves === undefined ? undefined : waves === 'none' ? null : (input.json('waves') as readonly Wave[]),
    };
    if (checkedPace(change).length === 0) {
      throw new UsageError('there is nothing to change: give --saves-per-second, --admit-per-second or --waves');
    }
    return {
      does: `change the pace of campaign ${id}`,
      run: async ({ issuer, out }) => {
        const now = await issuer.campaign(id).setPace(change);
        const shown = { 'saves per second': now.savesPerSecond, 'admits per second': now.admitPerSecond };
        await out.item({ id, ...now }, () => fieldsOf({ ...shown, waves: now.waves?.length ?? null }));
      },
    };
  },
};

const close: CliCommand = {
  name: 'close',
  summary: 'Close a campaign for good.',
  args: CAMPAIGN,
  options: {
    retain: { value: 'TIME', help: 'its keys expire so long after the close, such as 30d; default: they stay' },
  },
  example: 'close night --retain 30d --yes',
  effect: 'final',
  prepare: (input) => {
    const { campaign: id } = input;
    const retainMs = input.duration('retain');
    checkedClose({ retainMs });
    return {
      does: `close campaign ${id} for good`,
      run: async ({ issuer, out }) => {
        await issuer.campaign(id).closeForGood({ retainMs });
        await out.item({ id, status: 'closed' }, () => [`${id} closed`]);
      },
    };
  },
};

const purge: CliCommand = {
  name: 'purge',
  summary: 'Remove a closed campaign from Redis. Its rows in the database stay.',
  args: CAMPAIGN,
  options: {},
  example: 'purge night --yes',
  effect: 'final',
  prepare: ({ campaign: id }) => ({
    does: `remove campaign ${id} from Redis`,
    run: async ({ issuer, out }) => {
      await issuer.campaign(id).purge();
      await out.item({ id, status: 'purged' }, () => [`${id} purged`]);
    },
  }),
};

export const OPERATE: readonly CliCommand[] = [
  open,
  update,
  switching('pause', 'Pause a campaign: nobody gets a coupon until it resumes.'),
  switching('resume', 'End a pause.'),
  restock,
  pace,
  close,
  purge,
];
