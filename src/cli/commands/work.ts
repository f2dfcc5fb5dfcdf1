import { onAbort } from '../../flow/abort-group.js';
import { checkedWorkerOptions } from '../../worker/options.js';
import type { CliCommand } from '../command.js';

const worker: CliCommand = {
  name: 'worker',
  summary: 'Settle and admit, again and again, until SIGTERM or SIGINT.',
  args: [],
  options: {
    campaign: { value: 'ID', help: 'only this campaign; default: all', many: true },
    interval: { value: 'TIME', help: 'between two looks; default 1s' },
    'batch-size': { value: 'N', help: 'reservations per claim and save' },
  },
  example: 'worker --interval 500ms',
  effect: 'reads',
  prepare: (input) => {
    const options = {
      campaigns: input.has('campaign') ? input.texts('campaign') : undefined,
      intervalMs: input.duration('interval'),
      batchSize: input.integer('batch-size'),
    };
    checkedWorkerOptions(options, 1);
    return {
      run: async ({ issuer, out, world: { signal } }) => {
        const running = issuer.startWorker(options);
        out.note('the worker runs; SIGTERM stops it');
        await new Promise<void>((resolve) => onAbort(signal, resolve));
        await running.stop();
        out.note('the worker stopped; every reservation that it had is finished');
        return undefined;
      },
    };
  },
};

export const WORK: readonly CliCommand[] = [worker];
