// Not MongoDB: a small server that speaks its wire protocol (OP_MSG) and knows the commands which the adapter sends, for machines where the
// real one cannot be had. It keeps documents in memory and enforces unique indexes; it has no durability, no replicas and no planner.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { BSON } from 'mongodb';

const OP_MSG = 2013;
const HEADER = 16;
const FIRST_BATCH = 101;

export class StandIn {
  #collections = new Map();
  #cursors = new Map();
  #faults = new Map();
  #last = new Map();
  #sockets = new Set();
  #server = createServer((socket) => this.#serve(socket));

  async start() {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `mongodb://127.0.0.1:${this.#server.address().port}/?directConnection=true`;
  }

  stop() {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  /** Of the next such command: whether it runs, and the reply that it gets all the same, or `cut` for a connection that breaks. */
  faultNext(command, { runs, reply }) {
    this.#faults.set(command, { runs, reply });
  }

  /** What the last such command was. */
  lastOf(command) {
    return this.#last.get(command);
  }

  #serve(socket) {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {});
    let received = Buffer.alloc(0);
    socket.on('data', (data) => {
      received = Buffer.concat([received, data]);
      while (received.length >= 4 && received.length >= received.readInt32LE(0)) {
        const message = received.subarray(0, received.readInt32LE(0));
        received = received.subarray(message.length);
        const reply = this.#reply(commandIn(message));
        if (reply === 'cut') return socket.destroy();
        socket.write(messageOf(reply, message.readInt32LE(4)));
      }
    });
  }

  #reply(command) {
    const [name] = Object.keys(command);
    this.#last.set(name, command);
    const fault = this.#faults.get(name);
    this.#faults.delete(name);
    const reply = fault?.runs === false ? null : this.#run(name, command);
    return fault?.reply ?? reply;
  }

  #run(name, command) {
    try {
      return this[name](command);
    } catch (error) {
      return { ok: 0, code: 59, errmsg: `the stand-in cannot run '${name}': ${error.message}` };
    }
  }

  hello() {
    const limits = { maxBsonObjectSize: 2 ** 24, maxMessageSizeBytes: 48_000_000, maxWriteBatchSize: 100_000 };
    return { ok: 1, isWritablePrimary: true, ...limits, minWireVersion: 0, maxWireVersion: 21 };
  }

  endSessions() {
    return { ok: 1 };
  }

  dropDatabase() {
    this.#collections.clear();
    return { ok: 1 };
  }

  createIndexes({ $db, createIndexes, indexes }) {
    const collection = this.#collection($db, createIndexes);
    for (const { key, partialFilterExpression } of indexes)
      collection.addUnique(Object.keys(key), partialFilterExpression);
    return { ok: 1 };
  }

  insert({ $db, insert, documents, ordered }) {
    const collection = this.#collection($db, insert);
    const writeErrors = [];
    for (const [index, document] of documents.entries()) {
      const taken = collection.insert(document);
      if (taken) writeErrors.push({ index, code: 11000, errmsg: `E11000 duplicate key error: ${taken}` });
      if (taken && ordered) break;
    }
    const n = documents.length - writeErrors.length;
    return writeErrors.length > 0 ? { ok: 1, n, writeErrors } : { ok: 1, n };
  }

  find({ $db, find, filter, sort, limit, batchSize }) {
    const documents = this.#collection($db, find)
      .find(filter, sort)
      .slice(0, limit || undefined);
    const id = this.#cursors.size + 1;
    this.#cursors.set(id, documents.splice(batchSize ?? FIRST_BATCH));
    return { ok: 1, cursor: { id: this.#left(id), ns: `${$db}.${find}`, firstBatch: documents } };
  }

  getMore({ $db, getMore, collection, batchSize }) {
    const nextBatch = this.#cursors.get(Number(getMore)).splice(0, batchSize ?? 10_000);
    return { ok: 1, cursor: { id: this.#left(Number(getMore)), ns: `${$db}.${collection}`, nextBatch } };
  }

  #left(cursor) {
    return BSON.Long.fromNumber(this.#cursors.get(cursor).length > 0 ? cursor : 0);
  }

  #collection(db, name) {
    const key = `${db}.${name}`;
    if (!this.#collections.has(key)) this.#collections.set(key, new Collection());
    return this.#collections.get(key);
  }
}

class Collection {
  #documents = [];
  #indexes = [];

  constructor() {
    this.addUnique(['_id']);
  }

  addUnique(fields, partialFilter = {}) {
    this.#indexes.push({ fields, holds: matcher(partialFilter), taken: new Set() });
  }

  /** The key that is taken, or `null` and the document is stored. */
  insert(document) {
    const keys = this.#indexes
      .filter(({ holds }) => holds(document))
      .map(({ fields, taken }) => ({ key: JSON.stringify(fields.map((field) => document[field])), taken }));
    const conflict = keys.find(({ key, taken }) => taken.has(key));
    if (conflict) return conflict.key;
    for (const { key, taken } of keys) taken.add(key);
    this.#documents.push(document);
    return null;
  }

  find(filter, sort = {}) {
    const [[field, direction] = []] = Object.entries(sort);
    const found = this.#documents.filter(matcher(filter));
    return field ? found.sort((one, other) => direction * (one[field] - other[field])) : found;
  }
}

/** A test of documents: equality, `$in`, `$gt` among values of one type, `$or`. */
function matcher(filter) {
  const tests = Object.entries(filter).map(([field, wanted]) => {
    if (field === '$or') return anyOf(wanted.map(matcher));
    const { $in, $gt } = Object(wanted);
    if ($in) return isAmong(field, new Set($in));
    if ($gt !== undefined) return (document) => typeof document[field] === typeof $gt && document[field] > $gt;
    return (document) => document[field] === wanted;
  });
  return (document) => tests.every((matches) => matches(document));
}

function anyOf(branches) {
  return (document) => branches.some((matches) => matches(document));
}

function isAmong(field, values) {
  return (document) => values.has(document[field]);
}

/** The command in a message: a document, and sequences of documents that belong to one of its fields. */
function commandIn(message) {
  const command = {};
  let at = HEADER + 4;
  while (at < message.length) {
    const kind = message[at++];
    const end = at + message.readInt32LE(at);
    if (kind === 0) Object.assign(command, BSON.deserialize(message.subarray(at, end)));
    else {
      const nameEnd = message.indexOf(0, at + 4);
      command[message.toString('utf8', at + 4, nameEnd)] = documentsIn(message.subarray(nameEnd + 1, end));
    }
    at = end;
  }
  return command;
}

function documentsIn(bytes) {
  const documents = [];
  for (let at = 0; at < bytes.length; at += bytes.readInt32LE(at)) {
    documents.push(BSON.deserialize(bytes.subarray(at, at + bytes.readInt32LE(at))));
  }
  return documents;
}

function messageOf(document, responseTo) {
  const body = BSON.serialize(document);
  const head = Buffer.alloc(HEADER + 5);
  head.writeInt32LE(head.length + body.length, 0);
  head.writeInt32LE(responseTo, 8);
  head.writeInt32LE(OP_MSG, 12);
  return Buffer.concat([head, body]);
}
