import { assertLists, couponsIn, type Paged, tallyOf } from '../box/pages.js';
import { type CouponFilter, checkedFilter } from '../box/requests.js';
import type { Core } from '../core.js';
import { reading, type Source } from '../flow/source.js';
import type { IssueRequest } from '../issue/request.js';
import type { CampaignDefinition, CampaignSnapshot } from '../model/campaign-rules.js';
import { assertName } from '../model/check.js';
import type { Coupon, CouponTally } from '../model/coupon.js';
import type { ReconcileReport } from '../model/findings.js';
import type { Operation } from '../model/methods.js';
import { checkedPace, type Pace, type PaceChange } from '../model/pace.js';
import type { JoinResult, LeaveResult, WaitingChange } from '../model/place.js';
import type { IssueResult } from '../model/result.js';
import {
  type CodeSource,
  checkedLoad,
  type LoadOptions,
  type LoadResult,
  loadInChunks,
} from '../operate/load-codes.js';
import { checkedOpenOptions, type OpenOptions, open } from '../operate/open.js';
import { type CodeReplacement, checkedClose, checkedReplacement, checkedRestock } from '../operate/requests.js';
import { checkedRevokeAll, type RevokeAllRequest, type RevokedAll, revokeAll } from '../operate/revoke-all.js';
import { type CampaignUpdate, checkedUpdate } from '../operate/update.js';
import { type UserStatus, userStatus } from '../operate/user-status.js';
import type { ReconcileOptions } from '../recover/comparison.js';
import { checkedRebuildOptions, type RebuildOptions, type RebuildResult, rebuild } from '../recover/rebuild.js';
import { checkedReconcileOptions, reconcile } from '../recover/reconcile.js';
import {
  checkedExtend,
  checkedRedeem,
  checkedRevoke,
  checkedUnredeem,
  type ExtendRequest,
  type RedeemRequest,
  type RevokeRequest,
  type UnredeemRequest,
} from '../redeem/requests.js';
import type { ExtendResult, RedeemResult, RevokeResult, UnredeemResult } from '../redeem/results.js';
import { keptRules } from '../redis/known-campaign.js';
import { closeCampaign, purge, type Restocked, restock, setPace, setPaused } from '../redis/operate.js';
import { type CodeLoad, readLoads, replaceInPool } from '../redis/pool.js';
import { type RunningRules, updateRules } from '../redis/update.js';
import type { SettleResult } from '../settle/settle.js';
import type { AdmitResult } from '../waiting-room/admission.js';
import type { JoinRequest } from '../waiting-room/join.js';
import { checkedCount, checkedUser, type WatchRequest } from '../waiting-room/room.js';
import type { Campaign } from './campaign.js';
import { Quarantine } from './quarantine.js';

/** Each call checks its input and passes it on. Its docs are in the file of its group. */
export class CampaignHandle<Client = never> implements Campaign<Client> {
  readonly id: string;
  readonly #core: Core;

  constructor(core: Core, id: string) {
    assertName('id', id);
    this.id = id;
    this.#core = core;
  }

  async open(
    definition: CampaignDefinition,
    options: OpenOptions = {},
  ): Promise<{ status: 'opened' | 'exists'; campaign: CampaignSnapshot }> {
    const { context, campaigns } = this.#core;
    return this.#core.call('open', async () => {
      const rules = keptRules(this.id, definition, 'open', campaigns.equipment);
      const { leaseMs, timeoutMs, persistence } = this.#core.options;
      const unsafeRedis = this.#core.options.unsafeRedis === 'allow';
      const checks = { leaseMs, timeoutMs, persistence, unsafeRedis, ...checkedOpenOptions(options) };
      return open(context, campaigns, this.id, rules, checks);
    });
  }

  async rebuild(definition: CampaignDefinition, options: RebuildOptions = {}): Promise<RebuildResult> {
    const run = async (codes: Source | null) => {
      const own = checkedRebuildOptions(options);
      const parts = { ...this.#core.options, ...this.#core };
      return this.#core.call('rebuild', () => rebuild(this.id, definition, own, codes, parts));
    };
    // Codes are closed on every way out, also where another option is wrong.
    const { codes } = Object(options) as RebuildOptions;
    return codes === undefined ? run(null) : reading('codes', codes, run);
  }

  issue(request: IssueRequest): Promise<IssueResult> {
    return this.#core.issue(this.id, request);
  }

  async redeem(request: RedeemRequest<Client>): Promise<RedeemResult> {
    return this.#core.changeCoupon<RedeemResult>('redeem', this.id, () => checkedRedeem(this.id, request));
  }

  async unredeem(request: UnredeemRequest<Client>): Promise<UnredeemResult> {
    return this.#core.changeCoupon<UnredeemResult>('unredeem', this.id, () => checkedUnredeem(this.id, request));
  }

  async extend(request: ExtendRequest): Promise<ExtendResult> {
    return this.#core.changeCoupon<ExtendResult>('extend', this.id, () => checkedExtend(this.id, request));
  }

  async revoke(request: RevokeRequest): Promise<RevokeResult> {
    return this.#core.changeCoupon<RevokeResult>('revoke', this.id, () => checkedRevoke(this.id, request));
  }

  async revokeAll(request: RevokeAllRequest): Promise<RevokedAll> {
    const { source, ...own } = checkedRevokeAll(request);
    const parts = this.#core.revoking(this.id);
    return reading(own.of, source, (list) => this.#core.call('revokeAll', () => revokeAll(list, own, parts)));
  }

  coupons(filter: CouponFilter = {}): AsyncIterableIterator<Coupon> {
    const own = checkedFilter(filter);
    const paged = this.#paged('coupons');
    assertLists(paged);
    this.#core.assertNotClosed();
    return couponsIn(paged, own);
  }

  async tally(): Promise<CouponTally> {
    return tallyOf(this.#paged('tally'));
  }

  #paged(operation: Operation): Paged {
    const { persistence: adapter, timeoutMs } = this.#core.options;
    return { campaignId: this.id, adapter, timeoutMs, call: (read) => this.#core.call(operation, read) };
  }

  async join(request: JoinRequest): Promise<JoinResult> {
    return this.#core.call('join', () => this.#core.room.join(this.id, request));
  }

  async leave(request: { userId: string }): Promise<LeaveResult> {
    return this.#core.call('leave', () => this.#core.room.leave(this.id, request));
  }

  watch(request: WatchRequest): AsyncIterableIterator<WaitingChange> {
    this.#core.assertNotClosed();
    return this.#core.room.watch(this.id, request);
  }

  async admit(options: { count: number }): Promise<AdmitResult> {
    const { room, batchSize } = this.#core;
    return this.#core.call('admit', async () => room.admit(this.id, checkedCount(options), batchSize));
  }

  async userStatus(query: { userId: string }): Promise<UserStatus> {
    const userId = checkedUser('userStatus', query, this.#core.options.persistence);
    return this.#core.on('userStatus', this.id, (serving) => userStatus(serving, this.#core.room, userId));
  }

  async inspect(): Promise<CampaignSnapshot> {
    return this.#core.on('inspect', this.id, ({ campaign }) => campaign.inspect());
  }

  async loadCodes(codes: CodeSource, options: LoadOptions = {}): Promise<LoadResult> {
    return reading('codes', codes, async (source) => {
      const own = checkedLoad(options, source);
      return this.#core.change('load', this.id, ({ campaign }) => loadInChunks(campaign, source, own));
    });
  }

  async *loads(): AsyncIterableIterator<CodeLoad> {
    const seen = new Set<string>();
    let cursor = '0';
    do {
      const from = cursor;
      const { loads, next } = await this.#core.on('loads', this.id, ({ campaign }) => readLoads(campaign, from));
      for (const load of loads) {
        if (!seen.has(load.loadId)) yield load;
        seen.add(load.loadId);
      }
      cursor = next;
    } while (cursor !== '0');
  }

  async replaceCode(change: CodeReplacement): Promise<{ status: 'replaced' | 'not_in_pool' | 'duplicate' }> {
    const { code, replacement } = checkedReplacement(change);
    return this.#core.on('replaceCode', this.id, async ({ campaign }) => ({
      status: await replaceInPool(campaign, code, replacement),
    }));
  }

  async restock(change: { add: number; requestId: string }): Promise<Restocked> {
    const { add, requestId } = checkedRestock(change);
    return this.#core.change('restock', this.id, ({ shard }) => restock(shard, requestId, add));
  }

  async update(change: CampaignUpdate): Promise<RunningRules> {
    const { requestId, changes } = checkedUpdate(change);
    return this.#core.change('update', this.id, ({ shard }) => updateRules(shard, requestId, changes));
  }

  async pause(): Promise<void> {
    await this.#core.change('pause', this.id, ({ shard }) => setPaused(shard, true));
  }

  async resume(): Promise<void> {
    await this.#core.change('resume', this.id, ({ shard }) => setPaused(shard, false));
  }

  async setPace(change: PaceChange): Promise<Pace> {
    const fields = checkedPace(change);
    return this.#core.change('setPace', this.id, ({ shard }) => setPace(shard, fields));
  }

  async closeForGood(options: { retainMs?: number | undefined } = {}): Promise<void> {
    const retainMs = checkedClose(options);
    await this.#core.on('closeForGood', this.id, async (serving) => {
      await closeCampaign(serving.shard, retainMs);
      if (serving.campaign.rules.room) await this.#core.room.tend(serving);
    });
  }

  async purge(): Promise<void> {
    const { campaigns } = this.#core;
    await this.#core.call('purge', () => purge(campaigns.campaign(this.id).shard));
    campaigns.forget(this.id);
  }

  async settle(): Promise<SettleResult> {
    return this.#core.on('settle', this.id, (serving) => this.#core.settleOne(serving));
  }

  async reconcile(options: ReconcileOptions = {}): Promise<ReconcileReport> {
    const own = checkedReconcileOptions(options);
    const { persistence, timeoutMs } = this.#core.options;
    return this.#core.on('reconcile', this.id, async (serving) => {
      await serving.campaign.inspect();
      // A table that is not fit can be compared. In another database every row would be missing.
      await this.#core.campaigns.equipment.store?.ask().catch(() => {});
      if (own.repair || serving.campaign.hasOtherStore) await this.#core.campaigns.assertEquipped(serving);
      return reconcile(serving, own, { persistence, timeoutMs, settle: () => this.#core.settleOne(serving) });
    });
  }

  get quarantine(): Quarantine {
    return new Quarantine(this.#core, this.id);
  }
}
