import type { CouponCalls } from './coupon-calls.js';
import type { OperatorCalls } from './operator-calls.js';
import type { RecoveryCalls } from './recovery-calls.js';
import type { StockCalls } from './stock-calls.js';
import type { UserCalls } from './user-calls.js';

/**
 * The handle of one campaign. `issuer.campaign(id)` makes it without I/O. It has no state of its own: make it as often
 * as you like. It stays usable after the campaign is closed, purged or rebuilt. After `issuer.close()` each method
 * throws `ClosedError`.
 *
 * Its calls come in five groups. A function of yours can ask for the group that it uses, as `CouponCalls` at a checkout.
 */
export interface Campaign<Client = never>
  extends UserCalls,
    CouponCalls<Client>,
    StockCalls,
    OperatorCalls,
    RecoveryCalls {
  /** The id that names this campaign within the prefix of the issuer. */
  readonly id: string;
}
