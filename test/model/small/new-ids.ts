import type { Part } from './part.js';
import type { Emit, Model } from './search.js';

/**
 * Rows that are inserted without a look at their ids. PostgreSQL has no unique key on ids: it would cost as much as the
 * look.
 */
const RULES = {
  minted: 'an id is new only if its call made it up',
  sentOnce: 'an id is new only if its call asked for a unit once',
  oneConnection: 'an id is new only if the answer came on the connection on which the call left',
  noOtherWay: 'to settle no id is new',
  oneEach: 'an id is new only where a user may have one coupon',
  freedFirst: 'while a grant of the campaign is free again, new ids are looked for too',
} as const;

type Rule = keyof typeof RULES;

/** A unit of the one user, as a server keeps it. */
interface Unit {
  readonly id: string;
  readonly serial: number;
}

/** `grants`: of the user; a place that is empty is null. */
interface Server {
  readonly grants: readonly (Unit | null)[];
  readonly lastSerial: number;
  /** The ids whose revoke this server has heard of. */
  readonly freed: readonly string[];
}

/** A reserve under way. A copy stays behind when the client connects anew and sends it again. */
interface Message {
  readonly call: number;
  readonly server: number;
  readonly connection: number;
}

interface Call {
  readonly id: string;
  readonly minted: boolean;
  readonly sends: number;
  /** The connection on which its last send left; it may be answered on another one. */
  readonly left: number;
  readonly waits: boolean;
  /** The grant that it was told of, and its insert may come at any time. */
  readonly held: number | null;
}

/**
 * An INSERT of one attempt. One that looks at the id does so as it inserts, which is excused: its snapshot may be older
 * by the time of one statement.
 */
interface Insert extends Unit {
  readonly grant: number;
  readonly isNewId: boolean;
}

interface Row extends Unit {
  /** null: revoked, and free for another coupon of the user. */
  readonly grant: number | null;
}

interface State {
  readonly servers: readonly Server[];
  /** The server that the client is connected to; the other one, before a failover, is a replica. */
  readonly serving: number;
  readonly connection: number;
  readonly calls: readonly Call[];
  readonly messages: readonly Message[];
  readonly inserts: readonly Insert[];
  readonly rows: readonly Row[];
  readonly revokes: number;
  readonly faults: number;
  readonly settles: number;
}

interface Bounds {
  /** The ids of the calls; in capitals: given by the caller, who may repeat it. */
  readonly calls: readonly string[];
  readonly perUser: number;
  readonly faults: number;
  readonly settles: number;
  readonly revokes: number;
}

/** The units that other users took by the failover. */
const OTHERS = 10;

function newIds(rules: Record<Rule, boolean>, { calls, perUser, faults, settles, revokes }: Bounds): Model<State> {
  const empty: Server = { grants: Array(perUser).fill(null), lastSerial: 0, freed: [] };
  const first: State = {
    servers: [empty, empty],
    serving: 0,
    connection: 1,
    calls: calls.map((id) => ({ id, minted: id !== id.toUpperCase(), sends: 0, left: 0, waits: false, held: null })),
    messages: [],
    inserts: [],
    rows: [],
    revokes,
    faults,
    settles,
  };

  const withCall = (state: State, at: number, by: Partial<Call>): State => ({
    ...state,
    calls: state.calls.with(at, { ...state.calls[at]!, ...by }),
  });

  const inserting = (state: State, unit: Unit, grant: number, isNewId: boolean): State => {
    const { id, serial } = unit;
    return { ...state, inserts: [...state.inserts, { id, serial, grant, isNewId }] };
  };

  /** reserve: the unit of this id, or a new one; null: the user has no place left, or is told that the id is revoked. */
  const reserve = (server: Server, id: string): { server: Server; grant: number } | null => {
    const found = server.grants.findIndex((unit) => unit?.id === id);
    if (found >= 0) return { server, grant: found };
    const grant = server.grants.indexOf(null);
    if (grant < 0 || server.freed.includes(id)) return null;
    const serial = server.lastSerial + 1;
    return { server: { ...server, lastSerial: serial, grants: server.grants.with(grant, { id, serial }) }, grant };
  };

  /** The row takes the place of the unit that was reserved in its place. */
  const adopt = (state: State, { id, serial, grant }: Row): State => {
    const server = state.servers[state.serving]!;
    const grants = server.grants.with(grant!, { id, serial });
    return { ...state, servers: state.servers.with(state.serving, { ...server, grants }) };
  };

  const run = (state: State, at: number): State => {
    const { call, server, connection } = state.messages[at]!;
    const { id, minted, sends, left, waits } = state.calls[call]!;
    const rest = { ...state, messages: state.messages.toSpliced(at, 1) };
    const taken = reserve(state.servers[server]!, id);
    const after = taken ? { ...rest, servers: state.servers.with(server, taken.server) } : rest;
    // A copy has nobody who hears its answer.
    if (!waits || connection !== state.connection) return after;
    const told = withCall(after, call, { waits: false });
    if (!taken) return told;
    const isNewId =
      (minted || !rules.minted) &&
      (sends === 1 || !rules.sentOnce) &&
      (left === connection || !rules.oneConnection) &&
      (perUser === 1 || !rules.oneEach);
    return inserting(
      withCall(told, call, { held: taken.grant }),
      taken.server.grants[taken.grant]!,
      taken.grant,
      isNewId,
    );
  };

  /** `waited`: it began before the first grant was free again. */
  const end = (state: State, at: number, waited = false): State => {
    const { id, serial, grant, isNewId } = state.inserts[at]!;
    const rest = { ...state, inserts: state.inserts.toSpliced(at, 1) };
    const looks = !isNewId || (rules.freedFirst && !waited && state.rows.some((row) => row.grant === null));
    const isTaken = state.rows.some((row) => row.serial === serial || row.grant === grant || (looks && row.id === id));
    if (isTaken) return rest;
    return { ...rest, rows: [...state.rows, { id, serial, grant }] };
  };

  /** Another coupon for this user: the row, and then the server. Another server, or none, may hear of it. */
  const revoke = (state: State, at: number): State => {
    const { id, grant } = state.rows[at]!;
    const rows = state.rows.with(at, { ...state.rows[at]!, grant: null });
    const server = state.servers[state.serving]!;
    const isThere = server.grants[grant!]?.id === id;
    const grants = isThere ? server.grants.with(grant!, null) : server.grants;
    const heard = { ...server, grants, freed: [...server.freed, id].sort() };
    return { ...state, rows, servers: state.servers.with(state.serving, heard), revokes: state.revokes - 1 };
  };

  const steps = (state: State, emit: Emit<State>) => {
    state.calls.forEach(({ id, sends, held }, at) => {
      // Once more: it took nothing, as it seems, or the row of another coupon has its grant, which Redis had forgotten.
      if (sends === 2 || (sends === 1 && state.faults === 0)) return;
      const row = state.rows.find((one) => one.grant === held && one.id !== id);
      if (held !== null && !row) return;
      const remembering = row ? adopt(state, row) : state;
      const sent = withCall(remembering, at, { sends: sends + 1, left: state.connection, waits: true });
      const message = { call: at, server: state.serving, connection: state.connection };
      const after = { ...sent, messages: [...state.messages, message], faults: state.faults - sends };
      emit(after, `the call for ${id} asks for a unit`);
    });
    state.messages.forEach(({ call, server }, at) => {
      emit(run(state, at), `server ${server} runs the call for ${state.calls[call]!.id}`);
    });
    state.inserts.forEach((insert, at) => {
      const what = `the ${insert.isNewId ? 'plain ' : ''}insert of ${insert.id} with serial ${insert.serial}`;
      const ended = end(state, at);
      emit(ended, what);
      // The client gives up, or sends it again: a copy comes at any later time.
      if (state.faults === 0) return;
      emit({ ...ended, inserts: [...ended.inserts, insert], faults: state.faults - 1 }, `${what}, which comes again`);
    });
    state.servers.forEach(({ grants }, server) => {
      // The old server still serves a worker that has not heard of the failover.
      if (server !== state.serving && state.serving === 0) return;
      grants.forEach((unit, grant) => {
        if (!unit || state.settles === 0) return;
        const settled = inserting({ ...state, settles: state.settles - 1 }, unit, grant, !rules.noOtherWay);
        emit(settled, `settle saves ${unit.id} of server ${server}`);
      });
    });
    state.rows.forEach(({ id, grant }, at) => {
      if (grant === null || state.revokes === 0) return;
      const after = revoke(state, at);
      emit(after, `${id} is revoked, and its grant is free`);
      if (state.rows.some((row) => row.grant === null)) return;
      state.inserts.forEach((insert, i) => {
        if (!insert.isNewId || insert.grant !== grant) return;
        // It meets a row that an open transaction revokes: that one ends first, however long it takes.
        emit(
          end(after, i, true),
          `the plain insert of ${insert.id} with serial ${insert.serial} waits for the revoke of ${id}`,
        );
      });
    });
    failOver(state, emit);
  };

  /**
   * The replica has everything, or nothing of late: then what the old server took is forgotten. Other users take units
   * meanwhile. Messages under way are sent again.
   */
  const failOver = (state: State, emit: Emit<State>) => {
    if (state.serving === 1 || state.faults === 0) return;
    const connection = state.connection + 1;
    const isWaiting = ({ call }: Message) => state.calls[call]!.waits;
    const again = state.messages.filter(isWaiting).map(({ call }) => ({ call, server: 1, connection }));
    const [old, behind] = state.servers as [Server, Server];
    const replica = { ...behind, lastSerial: OTHERS };
    const over = {
      ...state,
      servers: [old, replica],
      serving: 1,
      connection,
      faults: state.faults - 1,
      messages: [...state.messages, ...again],
    };
    emit(over, 'the replica, which has nothing yet, takes over');
    emit({ ...over, servers: [old, { ...old, lastSerial: OTHERS }] }, 'the replica takes over');
    // A call that ran, and whose answer was lost with its connection.
    state.messages.filter(isWaiting).forEach(({ call }, at) => {
      const ran = run({ ...state, calls: state.calls.map((one) => ({ ...one, waits: false })) }, at);
      const lost = { ...over, servers: [ran.servers[0]!, replica], messages: [...ran.messages, ...again] };
      emit(lost, `server 0 runs the call for ${state.calls[call]!.id}, and the replica takes over without it`);
    });
  };

  const broken = ({ rows }: State): string | null => {
    const twice = rows.find(({ id }, at) => rows.findIndex((row) => row.id === id) < at);
    return twice ? `once: ${twice.id} has two rows` : null;
  };

  return { first, steps, broken };
}

const configurations = {
  'an id that is made up, beside a failover and a revoke': {
    calls: ['x'],
    perUser: 1,
    faults: 2,
    settles: 2,
    revokes: 1,
  },
  'an id that is repeated': { calls: ['X', 'X', 'y'], perUser: 1, faults: 1, settles: 0, revokes: 1 },
  'another coupon of the same user': { calls: ['x', 'y'], perUser: 1, faults: 2, settles: 1, revokes: 2 },
  'a user who may have two': { calls: ['x', 'y'], perUser: 2, faults: 2, settles: 1, revokes: 1 },
} satisfies Record<string, Bounds>;

export const NEW_IDS: Part<Rule, keyof typeof configurations> = {
  rules: RULES,
  model: (rules, name) => newIds(rules, configurations[name]) as Model<unknown>,
  configurations: Object.keys(configurations) as (keyof typeof configurations)[],
  mutants: [
    ['minted', 'once', 'an id that is repeated'],
    ['sentOnce', 'once', 'another coupon of the same user'],
    ['oneConnection', 'once', 'another coupon of the same user'],
    ['noOtherWay', 'once', 'another coupon of the same user'],
    ['freedFirst', 'once', 'another coupon of the same user'],
    ['oneEach', 'once', 'a user who may have two'],
  ],
};
