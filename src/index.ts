export type { BoxRequest, CodeRequest, CouponFilter } from './box/requests.js';
export type { Cache, WarmOptions, WarmResult } from './cache/cache.js';
export type { CacheOptions } from './cache/options.js';
export type { Campaign } from './campaign/campaign.js';
export type { CouponCalls } from './campaign/coupon-calls.js';
export type { OperatorCalls } from './campaign/operator-calls.js';
export type { Quarantine } from './campaign/quarantine.js';
export type { RecoveryCalls } from './campaign/recovery-calls.js';
export type { StockCalls } from './campaign/stock-calls.js';
export type { UserCalls } from './campaign/user-calls.js';
export type { Diagnosis, DiagnosisCheck } from './doctor/diagnosis.js';
export type { Deliver } from './issue/deliver.js';
export type { Eligible } from './issue/eligibility.js';
export type { IssueRequest } from './issue/request.js';
export { CouponIssuer } from './issuer.js';
export type { JsonObject, JsonValue } from './model/caller-data.js';
export type {
  Admission,
  CampaignDefinition,
  CampaignNeed,
  CampaignSnapshot,
  CampaignState,
  RoomRules,
  SaveMode,
  Stock,
} from './model/campaign-rules.js';
export { generateCodes, isValidCode } from './model/codes.js';
export type { Coupon, CouponTally } from './model/coupon.js';
export { drawKey } from './model/draw.js';
export {
  CampaignConflictError,
  ClosedError,
  CouponIssuerError,
  type CouponIssuerErrorCode,
  HookError,
  InvalidArgumentError,
  MisconfiguredError,
  NotDeliveredError,
  NotIssuedError,
  NotReadyError,
  NotSavedError,
  OverloadedError,
  PersistenceError,
  RedisError,
  type RedisOutcome,
  UnknownCampaignError,
} from './model/errors.js';
export { SERVER_SENT_EVENTS_HEADERS } from './model/event-format.js';
export type { AuditEvent, CouponEvent, FaultEvent, FaultSource, IssuanceRef } from './model/events.js';
export { type Cure, type Finding, type FindingKind, ReconcileReport } from './model/findings.js';
export {
  type CouponJson,
  type HttpAnswer,
  type HttpResult,
  httpAnswer,
  type IssuanceJson,
} from './model/http-answer.js';
export { type HttpStatus, httpStatus } from './model/http-status.js';
export type { Instant } from './model/instants.js';
export type { Issuance } from './model/issuance.js';
export { type GivenCoupon, issuanceOf } from './model/issuance-of.js';
export type { CouponVerb } from './model/life.js';
export { changedRow, type Life, type LifeRow, type RowChange } from './model/life.js';
export type { Pace, PaceChange } from './model/pace.js';
export type {
  FinalChange,
  Holding,
  JoinResult,
  LeaveResult,
  LineEnd,
  Place,
  Waiting,
  WaitingChange,
} from './model/place.js';
export { PROBLEMS, type ProblemDetails } from './model/problems.js';
export type { IssueResult, IssueStatus, NotReadyReason, RefusalStatus } from './model/result.js';
export { shownChange, type UserCoupon } from './model/user-answer.js';
export type { ShownValidity, Validity } from './model/validity.js';
export type { Wave } from './model/waves.js';
export type { ListCampaignsOptions, ListedCampaign } from './operate/list-campaigns.js';
export type { CodeSource, LoadOptions, LoadResult } from './operate/load-codes.js';
export type { OpenOptions } from './operate/open.js';
export type { CodeReplacement } from './operate/requests.js';
export type { ListedCoupon, RevokeAllRequest, RevokedAll, RevokedSoFar } from './operate/revoke-all.js';
export type { CampaignUpdate } from './operate/update.js';
export type { UserStatus } from './operate/user-status.js';
export type { CouponIssuerOptions } from './options.js';
export type { CouponRows, DatabaseFacts, PersistenceAdapter, SaveVerdict } from './persistence/adapter.js';
export type { ChangeVerdict, CouponChange, CouponRef } from './persistence/coupon-change.js';
export { MemoryPersistence } from './persistence/memory.js';
export { verdictOf, verdictsOf } from './persistence/verdict.js';
export type { ReconcileOptions } from './recover/comparison.js';
export type { RebuildOptions, RebuildProgress, RebuildResult } from './recover/rebuild.js';
export type {
  BearerCoupon,
  ExtendRequest,
  OwnCoupon,
  RedeemRequest,
  RevokeOptions,
  RevokeRequest,
  ShopCoupon,
  UnredeemRequest,
  WithinTransaction,
} from './redeem/requests.js';
export type { ExtendResult, NoRow, RedeemResult, RevokeResult, UnredeemResult } from './redeem/results.js';
export type { RedisClient, SubscriberClient } from './redis/client.js';
export type { Restocked } from './redis/operate.js';
export type { CodeLoad } from './redis/pool.js';
export type { RunningRules } from './redis/update.js';
export type { WorkerRole, WorkerSeen } from './redis/workers.js';
export type { QuarantineChoice, QuarantinedIssuance } from './settle/quarantine.js';
export type { SettleResult } from './settle/settle.js';
export type {
  AdmitMessage,
  BatchMessage,
  CacheMessage,
  ChangeMessage,
  DeliverMessage,
  EventMessage,
  IssueMessage,
  RedeemMessage,
  SaveMessage,
  SettleMessage,
} from './tracing/channels.js';
export type { StepMessage } from './tracing/step-channel.js';
export type { AdmitResult } from './waiting-room/admission.js';
export type { JoinRequest } from './waiting-room/join.js';
export type { WatchRequest } from './waiting-room/room.js';
export { type ServerSentEventsOptions, serverSentEvents } from './waiting-room/server-sent-events.js';
export type { CampaignHealth, WorkerHealth } from './worker/health.js';
export type { WorkerOptions } from './worker/options.js';
export type { SettleWorker } from './worker/worker.js';
