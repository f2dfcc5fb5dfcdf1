import dropOver from '../../lua/registry/drop-over.lua';
import findOver from '../../lua/registry/find-over.lua';
import forgetCampaign from '../../lua/registry/forget-campaign.lua';
import forgetWorker from '../../lua/registry/forget-worker.lua';
import knowCampaign from '../../lua/registry/know-campaign.lua';
import listCampaigns from '../../lua/registry/list-campaigns.lua';
import listWorkers from '../../lua/registry/list-workers.lua';
import nextGeneration from '../../lua/registry/next-generation.lua';
import noteOver from '../../lua/registry/note-over.lua';
import noteWorker from '../../lua/registry/note-worker.lua';
import registerCampaign from '../../lua/registry/register-campaign.lua';
import { defineScript } from './runner.js';

/** The scripts of the keys that all campaigns of a prefix share. */
export const registryScripts = {
  registerCampaign: defineScript('register-campaign', registerCampaign, { keys: ['registry'], args: ['campaignId'] }),
  knowCampaign: defineScript('know-campaign', knowCampaign, { keys: ['registry'], args: ['campaignId'], reads: true }),
  listCampaigns: defineScript('list-campaigns', listCampaigns, { keys: ['registry'], args: ['cursor'], reads: true }),
  forgetCampaign: defineScript('forget-campaign', forgetCampaign, { keys: ['registry'], args: ['campaignId', 'mark'] }),
  nextGeneration: defineScript('next-generation', nextGeneration, { keys: ['generation'], args: ['atLeast'] }),
  noteOver: defineScript('note-over', noteOver, {
    keys: ['over'],
    args: ['campaignId', 'closedAt', 'goneAt', 'sentAt'],
  }),
  findOver: defineScript('find-over', findOver, { keys: ['over'], args: ['campaignId'], reads: true }),
  dropOver: defineScript('drop-over', dropOver, { keys: ['over'], args: ['campaignId', 'closedAt'] }),
  noteWorker: defineScript('note-worker', noteWorker, {
    keys: ['workers'],
    args: ['worker', 'cursor', 'intervalMs', 'role', 'version', 'succeededMsAgo', 'faultMsAgo', 'fault', 'campaigns'],
  }),
  forgetWorker: defineScript('forget-worker', forgetWorker, { keys: ['workers'], args: ['worker'] }),
  listWorkers: defineScript('list-workers', listWorkers, { keys: ['workers'], args: ['cursor'], reads: true }),
};
