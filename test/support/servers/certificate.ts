import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const ALGORITHM = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
const NAMES = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];

/** A certificate of this test's own for 127.0.0.1, signed by itself. */
export class Certificate {
  readonly key: string;
  readonly file: string;
  readonly #dir: string;

  constructor() {
    this.#dir = mkdtempSync(join(tmpdir(), 'coupon-certificate-'));
    [this.key, this.file] = [join(this.#dir, 'key.pem'), join(this.#dir, 'certificate.pem')];
    const out = ['-keyout', this.key, '-out', this.file];
    execFileSync('openssl', ['req', '-x509', '-days', '2', ...ALGORITHM, ...NAMES, ...out], { stdio: 'ignore' });
  }

  /** What a client trusts. */
  get ca(): string {
    return readFileSync(this.file, 'utf8');
  }

  /** The server that runs under another user reads them. */
  giveTo(uid: number, gid: number): void {
    for (const path of [this.#dir, this.key, this.file]) chownSync(path, uid, gid);
  }

  stop(): void {
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
