export {
  type ContractCase,
  type Oracle,
  type PersistenceContractOptions,
  persistenceContract,
  type StoredRow,
} from './contract.js';
