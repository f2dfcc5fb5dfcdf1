export type { IssueRequest } from './attempts.js';
export type {
  Admission,
  Campaign,
  CampaignDefinition,
  CampaignState,
  Need,
  RoomRules,
  SaveMode,
  Stock,
} from './campaign.js';
export type { CodeReplacement } from './changes.js';
export { generateCodes, isValidCode } from './codes.js';
export { CouponIssuer } from './coupon-issuer.js';
export type { Deliver } from './deliver.js';
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
  RedisError,
  type RedisOutcome,
  UnknownCampaignError,
} from './errors.js';
export type { CouponEvent, FaultEvent, FaultSource, IssuanceRef } from './events.js';
export { type Cure, type Finding, type FindingKind, ReconcileReport } from './findings.js';
export type { Instant } from './instants.js';
export type { Issuance } from './issuance.js';
export type { CodeSource, LoadOptions, LoadResult } from './load.js';
export type { OpenOptions } from './open.js';
export type { CouponIssuerOptions, Eligible, WorkerOptions } from './options.js';
export type { PersistenceAdapter, SaveVerdict } from './persistence/adapter.js';
export { MemoryPersistence } from './persistence/memory.js';
export type { QuarantineChoice, QuarantinedIssuance } from './quarantine.js';
export type { RebuildOptions, RebuildProgress, RebuildResult } from './rebuild.js';
export type { ReconcileOptions } from './reconcile.js';
export type { Restocked } from './redis/admin.js';
export type { RedisClient } from './redis/client.js';
export type { SubscriberClient } from './redis/subscription.js';
export {
  type HttpStatus,
  httpStatus,
  type IssueResult,
  type IssueStatus,
  type NotReadyReason,
  type RefusalStatus,
} from './result.js';
export type { SettleResult } from './settle.js';
export type { UserStatus } from './status.js';
export type { AdmitResult } from './waiting-room/admission.js';
export { drawKey } from './waiting-room/draw.js';
export type { JoinRequest } from './waiting-room/join.js';
export type {
  FinalChange,
  JoinResult,
  LeaveResult,
  LineEnd,
  Place,
  Waiting,
  WaitingChange,
} from './waiting-room/place.js';
export {
  SERVER_SENT_EVENTS_HEADERS,
  type ServerSentEventsOptions,
  serverSentEvents,
} from './waiting-room/server-sent-events.js';
export type { WatchRequest } from './waiting-room/waiting-room.js';
export type { Wave } from './waiting-room/waves.js';
export type { CampaignHealth, SettleWorker, WorkerHealth } from './worker.js';
