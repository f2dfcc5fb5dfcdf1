// Load over HTTP/1.1 from connections that stay open. It speaks on bare sockets, because on a machine with few cores the work of a whole client
// would be taken from the server that is measured. The section shows it: autocannon works for a request about as long as a server that answers a constant.
import { once } from 'node:events';
import { connect } from 'node:net';

const LENGTH = /^content-length: *(\d+)/im;

/** A connection that has one request out at a time. */
export async function connectTo(port) {
  const socket = connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  socket.setEncoding('latin1');
  await once(socket, 'connect');
  let waiting = null;
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk;
    const head = received.indexOf('\r\n\r\n');
    if (head === -1) return;
    const length = Number(LENGTH.exec(received.slice(0, head))?.[1]);
    if (received.length < head + 4 + length) return;
    const status = Number(received.slice(9, 12));
    received = '';
    waiting.resolve(status);
  });
  socket.on('error', (error) => waiting?.reject(error));
  socket.on('close', () => waiting?.reject(new Error('the server closed the connection')));
  return {
    /** The status of the answer. */
    post(path, body) {
      // Nobody would ever answer.
      if (socket.destroyed) return Promise.reject(new Error('the server has closed the connection'));
      const text = JSON.stringify(body);
      socket.write(
        `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
      );
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject };
      });
    },
    close: () => socket.destroy(),
  };
}
