import { sleep } from '../../flow/deadline.js';
import type { ListedCampaign } from '../../operate/list-campaigns.js';
import type { CliCommand, CommandSession } from '../command.js';
import { UsageError } from '../faults.js';
import { tableOf } from '../output.js';
import { LIST_HEADS, listRow, snapshotLines, tickLine } from '../show.js';

const LONGEST_INTERVAL_MS = 3_600_000;

const ls: CliCommand = {
  name: 'ls',
  summary: 'List the campaigns.',
  args: [],
  options: {},
  example: 'ls --json',
  effect: 'reads',
  prepare: () => ({
    run: async ({ issuer, out }) => {
      const found: ListedCampaign[] = [];
      for await (const campaign of issuer.campaigns()) {
        if (out.json) await out.item(shown(campaign), () => []);
        else found.push(campaign);
      }
      if (out.json) return;
      if (found.length === 0) return void out.note('there is no campaign');
      const rows = found.sort((a, b) => (a.id < b.id ? -1 : 1)).map(listRow);
      await out.text(`${tableOf(LIST_HEADS, rows).join('\n')}\n`);
    },
  }),
};

/** An error has no fields of its own in JSON. */
function shown(campaign: ListedCampaign): object {
  return campaign.state === 'unreadable' ? { ...campaign, error: campaign.error.message } : campaign;
}

const inspect: CliCommand = {
  name: 'inspect',
  summary: 'Show a campaign as it is now.',
  args: ['campaign'],
  options: {
    follow: { help: 'show it again and again, until a signal' },
    interval: { value: 'TIME', help: 'with --follow: between two looks; default 1s' },
  },
  example: 'inspect night --follow --interval 5s',
  effect: 'reads',
  prepare: (input) => {
    const { campaign: id } = input;
    const everyMs = input.duration('interval') ?? 1_000;
    if (everyMs < 1 || everyMs > LONGEST_INTERVAL_MS) throw new UsageError('--interval must be from 1ms to 1h');
    if (input.has('interval') && !input.has('follow')) throw new UsageError('--interval is for --follow');
    return {
      run: async (session) => {
        if (input.has('follow')) return follow(session, id, everyMs);
        const campaign = await session.issuer.campaign(id).inspect();
        await session.out.item(campaign, () => snapshotLines(campaign, session.out));
        return undefined;
      },
    };
  },
};

/** On a terminal the campaign is drawn in its place again; otherwise each look is a line. A signal is its usual end. */
async function follow(
  { issuer, out, world: { signal } }: CommandSession,
  id: string,
  everyMs: number,
): Promise<undefined> {
  let drawn = 0;
  while (!signal.aborted) {
    const campaign = await issuer.campaign(id).inspect();
    const at = new Date();
    if (out.json) await out.item({ at, ...campaign }, () => []);
    else if (out.isRead) {
      const lines = snapshotLines(campaign, out);
      const up = drawn > 0 ? `\u001B[${drawn}A\u001B[J` : '';
      await out.text(`${up}${lines.join('\n')}\n`);
      drawn = lines.length;
    } else await out.text(`${tickLine(campaign, at)}\n`);
    await sleep(everyMs, signal).catch(() => {});
  }
  return undefined;
}

export const LOOK: readonly CliCommand[] = [ls, inspect];
