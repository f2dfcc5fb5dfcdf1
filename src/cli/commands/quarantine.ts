import { checkedChoice, type QuarantineChoice } from '../../settle/quarantine.js';
import type { CliCommand } from '../command.js';
import type { CliInput } from '../input.js';
import { fieldsOf, tableOf } from '../output.js';
import { EXIT } from '../world.js';

const CHOICE = {
  id: { value: 'ID', help: 'one reservation', many: true },
  all: { help: 'all that are in quarantine' },
} as const;

function choiceOf(input: CliInput): QuarantineChoice {
  return input.oneOf('id', 'all') === 'all' ? { all: true } : { ids: input.texts('id') };
}

function wordsOf(choice: QuarantineChoice): string {
  return choice.ids ? `${choice.ids.length} reservation(s)` : 'every reservation';
}

const list: CliCommand = {
  name: 'quarantine ls',
  summary: 'List the reservations that settle gave up on. Exit code 3 if there are some.',
  args: ['campaign'],
  options: {},
  example: 'quarantine ls night --json',
  effect: 'reads',
  prepare: ({ campaign: id }) => ({
    run: async ({ issuer, out }) => {
      const rows: unknown[][] = [];
      for await (const { issuance, tries } of issuer.campaign(id).quarantine.list()) {
        const { id: reservation, userId, grant, serial, issuedAt } = issuance;
        if (out.json) await out.item({ id: reservation, userId, grant, serial, issuedAt, tries }, () => []);
        rows.push([reservation, userId, serial, issuedAt, tries]);
      }
      if (rows.length === 0) return void out.note('nothing is in quarantine');
      if (!out.json) await out.text(`${tableOf(['ID', 'USER', 'SERIAL', 'RESERVED', 'TRIES'], rows).join('\n')}\n`);
      return EXIT.findings;
    },
  }),
};

const retry: CliCommand = {
  name: 'quarantine retry',
  summary: 'Make settle try reservations again.',
  args: ['campaign'],
  options: CHOICE,
  example: 'quarantine retry night --all',
  effect: 'changes',
  prepare: (input) => {
    const { campaign: id } = input;
    const choice = choiceOf(input);
    checkedChoice('quarantineRetry', choice);
    return {
      does: `retry ${wordsOf(choice)} in the quarantine of campaign ${id}`,
      run: async ({ issuer, out }) => {
        const result = await issuer.campaign(id).quarantine.retry(choice);
        await out.item({ id, ...result }, () => fieldsOf({ ...result }));
        return undefined;
      },
    };
  },
};

const withdraw: CliCommand = {
  name: 'quarantine withdraw',
  summary: 'Take the units of reservations out of the stock for good.',
  args: ['campaign'],
  options: CHOICE,
  example: 'quarantine withdraw night --id 1f0e… --yes',
  effect: 'final',
  prepare: (input) => {
    const { campaign: id } = input;
    const choice = choiceOf(input);
    checkedChoice('quarantineWithdraw', choice);
    return {
      does: `withdraw ${wordsOf(choice)} in the quarantine of campaign ${id}`,
      run: async ({ issuer, out }) => {
        const result = await issuer.campaign(id).quarantine.withdraw(choice);
        await out.item({ id, ...result }, () => fieldsOf({ ...result }));
        return undefined;
      },
    };
  },
};

export const QUARANTINE: readonly CliCommand[] = [list, retry, withdraw];
