import { connect, type Socket } from 'node:net';
import { until } from '../support/checks/until.js';

/** Bytes as an attacker writes them, and everything that comes back until the connection ends. */
export class Raw {
  readonly socket: Socket;
  answer = '';
  constructor(port: number, text: string) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.on('data', (data) => {
      this.answer += data;
    });
    // A server that ends a connection in the middle of an upload resets it.
    this.socket.on('error', () => {});
    this.socket.write(text);
  }
  get status(): number {
    return Number(/^HTTP\/1\.1 (\d+)/.exec(this.answer)?.[1]);
  }
  async answered(): Promise<this> {
    await until(() => this.answer.includes('\r\n\r\n'));
    return this;
  }
  stop(): void {
    this.socket.destroy();
  }
}
