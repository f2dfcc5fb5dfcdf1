import { NotSavedError } from '../../model/errors.js';
import { AUTOCOMMIT, IN_TRANSACTION, type MysqlClient, type Outcome } from './client.js';

/** Refuses a client whose statements would not be committed at once. */
export class Autocommit {
  readonly #client: MysqlClient;
  #poolChecked = false;

  constructor(client: MysqlClient) {
    this.#client = client;
  }

  /** Connections of a pool are alike, and nobody's transaction is on the one that it lends: it is asked once. */
  async assert(): Promise<void> {
    if (this.#poolChecked) return;
    try {
      if (await this.#isOn()) {
        this.#poolChecked = this.#client.isPool;
        return;
      }
    } catch (error) {
      throw this.#client.proof.notBegun(error) ?? error;
    }
    throw new NotSavedError('the client is in a transaction or has autocommit off: nothing would be committed', {
      wholeBatch: true,
    });
  }

  async #isOn(): Promise<boolean> {
    if (this.#client.isBridge) {
      const [row] = (await this.#client.query('SELECT @@autocommit AS autocommit')) as { autocommit: unknown }[];
      return Number(row?.autocommit) === 1;
    }
    const { serverStatus } = (await this.#client.query('DO 0')) as Outcome;
    return (serverStatus & (IN_TRANSACTION | AUTOCOMMIT)) === AUTOCOMMIT;
  }
}
