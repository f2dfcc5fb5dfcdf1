import { addressOf, headersOf, Refusal } from './api.js';

const HERE = 'The connection ended, or the file cannot be read any more.';

/**
 * Sends a file behind one line of JSON, and calls `onLine` with each object of the answer. `fetch` would not say how much
 * was sent. Throws `Refusal`.
 */
export function upload(verb, head, file, { onSent, onLine, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let taken = 0;
    const take = () => {
      if (request.status !== 200) return;
      const end = request.responseText.lastIndexOf('\n') + 1;
      const lines = request.responseText.slice(taken, end).split('\n');
      taken = end;
      for (const line of lines) if (line) onLine(JSON.parse(line));
    };
    request.upload.onprogress = ({ loaded, total }) => onSent(loaded / total);
    request.onprogress = take;
    request.onload = () => {
      take();
      if (request.status === 200) resolve();
      else reject(Refusal.of(request.status, request.responseText));
    };
    request.onerror = () => reject(new Refusal(0, HERE));
    request.onabort = () => reject(new Refusal(0, 'Stopped.'));
    signal.addEventListener('abort', () => request.abort());
    request.open('POST', addressOf(verb));
    for (const [name, value] of Object.entries(headersOf('application/octet-stream'))) {
      request.setRequestHeader(name, value);
    }
    request.send(new Blob([JSON.stringify(head), '\n', file]));
  });
}
