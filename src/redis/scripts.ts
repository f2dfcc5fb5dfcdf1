import activateCampaign from '../../lua/campaign/activate-campaign.lua';
import checkRights from '../../lua/campaign/check-rights.lua';
import closeCampaign from '../../lua/campaign/close-campaign.lua';
import findInPool from '../../lua/campaign/find-in-pool.lua';
import findUser from '../../lua/campaign/find-user.lua';
import inspect from '../../lua/campaign/inspect.lua';
import inspectServer from '../../lua/campaign/inspect-server.lua';
import listLoads from '../../lua/campaign/list-loads.lua';
import loadCodes from '../../lua/campaign/load-codes.lua';
import openCampaign from '../../lua/campaign/open-campaign.lua';
import purgeCampaign from '../../lua/campaign/purge-campaign.lua';
import replaceCode from '../../lua/campaign/replace-code.lua';
import restock from '../../lua/campaign/restock.lua';
import setPace from '../../lua/campaign/set-pace.lua';
import setPaused from '../../lua/campaign/set-paused.lua';
import updateCampaign from '../../lua/campaign/update-campaign.lua';
import adoptRow from '../../lua/issue/adopt-row.lua';
import confirm from '../../lua/issue/confirm.lua';
import reassign from '../../lua/issue/reassign.lua';
import release from '../../lua/issue/release.lua';
import reserve from '../../lua/issue/reserve.lua';
import withdraw from '../../lua/issue/withdraw.lua';
import admitLine from '../../lua/line/admit-line.lua';
import announce from '../../lua/line/announce.lua';
import drawLine from '../../lua/line/draw-line.lua';
import findPlaces from '../../lua/line/find-places.lua';
import joinLine from '../../lua/line/join-line.lua';
import leaveLine from '../../lua/line/leave-line.lua';
import tendLine from '../../lua/line/tend-line.lua';
import beginRebuild from '../../lua/recover/begin-rebuild.lua';
import finishRebuild from '../../lua/recover/finish-rebuild.lua';
import keepKnown from '../../lua/recover/keep-known.lua';
import keepPromised from '../../lua/recover/keep-promised.lua';
import knowCodes from '../../lua/recover/know-codes.lua';
import mendRow from '../../lua/recover/mend-row.lua';
import readGrants from '../../lua/recover/read-grants.lua';
import rebuildCodes from '../../lua/recover/rebuild-codes.lua';
import rebuildRows from '../../lua/recover/rebuild-rows.lua';
import reopenGrant from '../../lua/recover/reopen-grant.lua';
import scanFree from '../../lua/recover/scan-free.lua';
import scanGrants from '../../lua/recover/scan-grants.lua';
import announceRevoke from '../../lua/revoke/announce-revoke.lua';
import dropAnnounced from '../../lua/revoke/drop-announced.lua';
import findAnnounced from '../../lua/revoke/find-announced.lua';
import takeBack from '../../lua/revoke/take-back.lua';
import claimDue from '../../lua/settle/claim-due.lua';
import listQuarantined from '../../lua/settle/list-quarantined.lua';
import postpone from '../../lua/settle/postpone.lua';
import retryQuarantined from '../../lua/settle/retry-quarantined.lua';
import { cacheScripts } from './cache-scripts.js';
import { registryScripts } from './registry-scripts.js';
import { defineScript } from './runner.js';

const SERVING = ['campaign', 'grants', 'senders', 'leases', 'returned', 'pool', 'data'] as const;
const HELD = ['campaign', 'grants', 'leases'] as const;
const POOLED = [...SERVING, 'codes'] as const;
const LINE = ['queue', 'tickets', 'presence', 'ended'] as const;
const WAITING = [...SERVING, ...LINE] as const;
const ALL = [...POOLED, ...LINE] as const;
const REBUILDING = [...ALL, 'old', 'kept', 'known'] as const;

/** Every script with its KEYS and ARGV by name, in the order of its header; a test compares the two. */
export const scripts = {
  openCampaign: defineScript('open-campaign', openCampaign, {
    keys: ALL,
    args: ['generation', 'random'],
    each: ['name', 'value'],
  }),
  activateCampaign: defineScript('activate-campaign', activateCampaign, {
    keys: ['campaign'],
    args: ['epoch', 'store', 'generation', 'random', 'rebind'],
  }),
  checkRights: defineScript('check-rights', checkRights, { keys: ['rights'], reads: true }),
  inspectServer: defineScript('inspect-server', inspectServer, { keys: ['campaign'], reads: true }),
  restock: defineScript('restock', restock, { keys: SERVING, args: ['epoch', 'fence', 'requestId', 'add'] }),
  updateCampaign: defineScript('update-campaign', updateCampaign, {
    keys: ['campaign'],
    args: ['epoch', 'fence', 'known', 'requestId'],
    each: ['name', 'value'],
  }),
  purgeCampaign: defineScript('purge-campaign', purgeCampaign, { keys: ALL, args: ['epoch'] }),
  inspect: defineScript('inspect', inspect, { keys: ALL, reads: true }),
  findUser: defineScript('find-user', findUser, {
    keys: ['campaign', 'grants'],
    args: ['epoch', 'fence', 'userId'],
    reads: true,
  }),
  setPace: defineScript('set-pace', setPace, {
    keys: ['campaign'],
    args: ['epoch', 'follows'],
    each: ['name', 'value'],
  }),
  setPaused: defineScript('set-paused', setPaused, {
    keys: ['campaign', 'senders'],
    args: ['epoch', 'sender', 'call', 'paused'],
  }),
  closeCampaign: defineScript('close-campaign', closeCampaign, { keys: ALL, args: ['epoch', 'retainMs'] }),
  loadCodes: defineScript('load-codes', loadCodes, {
    keys: POOLED,
    args: ['epoch', 'fence', 'loadId', 'caller', 'offset', 'before', 'after'],
    each: ['code'],
  }),
  listLoads: defineScript('list-loads', listLoads, {
    keys: ['campaign'],
    args: ['epoch', 'fence', 'cursor', 'limit'],
    reads: true,
  }),
  findInPool: defineScript('find-in-pool', findInPool, {
    keys: ['campaign', 'pool'],
    args: ['epoch', 'fence', 'code', 'fromTail', 'limit'],
    reads: true,
  }),
  replaceCode: defineScript('replace-code', replaceCode, {
    keys: ['campaign', 'pool', 'codes'],
    args: ['epoch', 'fence', 'fromTail', 'unit', 'code'],
  }),
  reserve: defineScript('reserve', reserve, {
    keys: [...SERVING, 'old'],
    args: ['epoch', 'fence', 'sender', 'call', 'fromLine', 'perUser', 'users', 'ids', 'codes', 'data'],
  }),
  confirm: defineScript('confirm', confirm, { keys: ALL, args: ['epoch', 'ids'], each: ['stamp', 'fields'] }),
  release: defineScript('release', release, { keys: ALL, args: ['epoch'], each: ['field', 'id', 'stamp'] }),
  withdraw: defineScript('withdraw', withdraw, { keys: ALL, args: ['epoch'], each: ['field', 'id', 'stamp'] }),
  reassign: defineScript('reassign', reassign, {
    keys: ALL,
    args: ['epoch'],
    each: ['field', 'id', 'stamp', 'serial', 'keep', 'code'],
  }),
  adoptRow: defineScript('adopt-row', adoptRow, {
    keys: ALL,
    args: ['epoch'],
    each: [
      'field',
      'id',
      'stamp',
      'delivered',
      'rowField',
      'rowId',
      'rowSerial',
      'rowIssuedAt',
      'rowCode',
      'rowBecame',
      'rowReturned',
    ],
  }),
  claimDue: defineScript('claim-due', claimDue, {
    keys: SERVING,
    args: ['epoch', 'fence', 'perUser', 'limit', 'paced'],
  }),
  postpone: defineScript('postpone', postpone, {
    keys: HELD,
    args: ['epoch'],
    each: ['field', 'id', 'stamp', 'tries', 'delayMs'],
  }),
  listQuarantined: defineScript('list-quarantined', listQuarantined, {
    keys: [...HELD, 'data'],
    args: ['epoch', 'fence', 'after', 'limit'],
    reads: true,
  }),
  retryQuarantined: defineScript('retry-quarantined', retryQuarantined, {
    keys: HELD,
    args: ['epoch'],
    each: ['field', 'id'],
  }),
  beginRebuild: defineScript('begin-rebuild', beginRebuild, {
    keys: REBUILDING,
    args: ['from', 'random', 'generation', 'definition'],
    each: ['name', 'value'],
  }),
  keepPromised: defineScript('keep-promised', keepPromised, {
    keys: ['campaign', 'grants', 'leases', 'codes', 'old', 'kept'],
    args: ['epoch', 'fence', 'limit'],
  }),
  rebuildCodes: defineScript('rebuild-codes', rebuildCodes, {
    keys: ['campaign', 'returned', 'pool', 'codes'],
    args: ['epoch', 'fence'],
    each: ['code'],
  }),
  knowCodes: defineScript('know-codes', knowCodes, {
    keys: ['campaign', 'codes', 'known'],
    args: ['epoch', 'fence'],
    each: ['code'],
    reads: true,
  }),
  keepKnown: defineScript('keep-known', keepKnown, {
    keys: ['campaign', 'codes', 'known'],
    args: ['epoch', 'fence', 'limit'],
  }),
  rebuildRows: defineScript('rebuild-rows', rebuildRows, {
    keys: [
      'campaign',
      'grants',
      'leases',
      'returned',
      'codes',
      'queue',
      'tickets',
      'presence',
      'ended',
      'data',
      'kept',
    ],
    args: ['epoch', 'fence', 'after', 'upTo', 'told'],
    each: ['field', 'id', 'serial', 'issuedAt', 'code', 'became', 'returned'],
  }),
  finishRebuild: defineScript('finish-rebuild', finishRebuild, {
    keys: REBUILDING,
    args: ['epoch', 'fence', 'limit'],
    each: ['field'],
  }),
  scanGrants: defineScript('scan-grants', scanGrants, {
    keys: HELD,
    args: ['epoch', 'fence', 'cursor', 'limit'],
    reads: true,
  }),
  readGrants: defineScript('read-grants', readGrants, {
    keys: ['campaign', 'grants'],
    args: ['epoch', 'fence'],
    each: ['field'],
    reads: true,
  }),
  scanFree: defineScript('scan-free', scanFree, {
    keys: ['campaign', 'returned', 'pool'],
    args: ['epoch', 'fence', 'offset', 'limit'],
    reads: true,
  }),
  mendRow: defineScript('mend-row', mendRow, {
    keys: ALL,
    args: ['epoch', 'fence', 'field', 'id', 'serial', 'issuedAt', 'code', 'became', 'returned', 'place'],
  }),
  reopenGrant: defineScript('reopen-grant', reopenGrant, { keys: ALL, args: ['epoch', 'fence', 'field', 'id'] }),
  announceRevoke: defineScript('announce-revoke', announceRevoke, {
    keys: ['campaign'],
    args: ['epoch'],
    each: ['id', 'version', 'serial', 'userId'],
  }),
  takeBack: defineScript('take-back', takeBack, {
    keys: ALL,
    args: ['epoch'],
    each: ['id', 'userId', 'serial', 'frees', 'returns'],
  }),
  findAnnounced: defineScript('find-announced', findAnnounced, {
    keys: ['campaign'],
    args: ['epoch', 'cursor', 'limit'],
    reads: true,
  }),
  dropAnnounced: defineScript('drop-announced', dropAnnounced, {
    keys: ['campaign'],
    args: ['epoch'],
    each: ['id', 'version'],
  }),
  joinLine: defineScript('join-line', joinLine, {
    keys: [...WAITING, 'old'],
    args: ['epoch', 'fence', 'sender', 'call', 'perUser', 'data'],
    each: ['id', 'userId'],
  }),
  leaveLine: defineScript('leave-line', leaveLine, {
    keys: WAITING,
    args: ['epoch', 'fence', 'sender', 'call', 'userId'],
  }),
  findPlaces: defineScript('find-places', findPlaces, {
    keys: WAITING,
    args: ['epoch', 'fence', 'perUser', 'watcher', 'since', 'keepMs'],
    each: ['userId'],
  }),
  admitLine: defineScript('admit-line', admitLine, {
    keys: WAITING,
    args: ['epoch', 'fence', 'sender', 'call', 'perUser', 'limit', 'paced', 'codes'],
  }),
  tendLine: defineScript('tend-line', tendLine, { keys: ALL, args: ['epoch', 'fence', 'limit'] }),
  drawLine: defineScript('draw-line', drawLine, {
    keys: WAITING,
    args: ['epoch', 'fence', 'seed', 'limit'],
    each: ['userId', 'key'],
  }),
  announce: defineScript('announce', announce, { keys: ['campaign'], args: ['news'], reads: true }),
  ...registryScripts,
  ...cacheScripts,
};
