export type { StoredRow } from './assertions.js';
export {
  type ContractCase,
  type PersistenceContractOptions,
  persistenceContract,
  type SkipContext,
} from './contract.js';
export type { Need, Oracle } from './stage.js';
export type { UserIds } from './user-ids.js';
export type { Wire } from './wire.js';
export type { InTransaction } from './within-cases.js';
