// Whether the promises held. Every verdict comes from Redis and from SQL on the database; of the demo's own records only what buyers were told
// and what the partner delivered goes in, as the left side of a join.

/** Judges the evidence of an experiment: the figures of the table, and one verdict per invariant. */
export async function examine(evidence) {
  const units = await unitsInRedis(evidence);
  const database = await rowsInDatabase(evidence);
  const verdicts = [];
  for (const judge of [oversell, perUser, conservation, lostUnits, agreement, toldIssued, refused, repeats, twoUsers]) {
    verdicts.push(await judge(evidence, { units, database }));
  }
  const { total, available, withdrawn } = evidence.campaign;
  return {
    verdicts,
    figures: {
      rows: database.rows,
      duplicates: 2 * database.rows - database.serials - database.codes,
      lost: total - withdrawn - available - database.codes,
    },
  };
}

async function rowsInDatabase({ sql, table, campaignId }) {
  const { rows } = await sql.query(
    `SELECT count(*)::int AS rows, count(DISTINCT serial)::int AS serials, count(DISTINCT code)::int AS codes,
            coalesce(max(serial), 0)::int AS highest
     FROM ${table} WHERE campaign_id = $1`,
    [campaignId],
  );
  return rows[0];
}

/** Every unit as Redis holds it, in pieces: those in users' hands and those still in the pool. */
async function unitsInRedis({ redis, prefix, campaignId }) {
  const key = (name) => `{${prefix}:${campaignId}}:${name}`;
  const granted = new Map();
  let cursor = '0';
  do {
    const [next, entries] = await redis.hscan(key('grants'), cursor, 'COUNT', 500);
    for (let i = 0; i < entries.length; i += 2) granted.set(entries[i], entries[i + 1]);
    cursor = next;
  } while (cursor !== '0');
  const pooled = [];
  for (let start = 0; ; start += 500) {
    const piece = await redis.lrange(key('pool'), start, start + 499);
    pooled.push(...piece);
    if (piece.length < 500) break;
  }
  return {
    granted: [...granted].map(([field, record]) => decodeGrant(field, record)),
    pooled: pooled.map((unit) => Number(unit.split(':', 1)[0])),
    leases: await redis.zcard(key('leases')),
  };
}

/** `<grant>:<userId>` → `<r|i>:<stamp>:<serial>:<issuedAt>:<id>:<code>`; user id and code may hold any character. */
function decodeGrant(field, record) {
  const [state, , serial, , , ...code] = record.split(':');
  return { userId: field.slice(field.indexOf(':') + 1), state, serial: Number(serial), code: code.join(':') };
}

async function oversell({ campaign }, { database }) {
  const { rows, serials, codes, highest } = database;
  return {
    id: 'I1',
    name: 'no oversell: each serial and code in one row at most',
    holds: rows <= campaign.total && serials === rows && codes === rows && highest <= campaign.total,
    detail: `${rows} rows, ${serials} serials, ${codes} codes, ${campaign.total} in all`,
  };
}

async function perUser({ sql, table, campaignId, perUser }) {
  const { rows } = await sql.query(
    `SELECT user_id FROM ${table} WHERE campaign_id = $1 GROUP BY user_id HAVING count(*) > $2`,
    [campaignId, perUser],
  );
  return {
    id: 'I2',
    name: `no user holds more than ${perUser}`,
    holds: rows.length === 0,
    detail: `${rows.length} users hold more`,
  };
}

async function conservation({ campaign, samples }) {
  const broken = [...samples, campaign].filter(
    ({ ready, total, available, reserved, issued, withdrawn }) =>
      !ready || available + reserved + issued + withdrawn !== total,
  );
  const { total, available, reserved, issued, withdrawn } = campaign;
  return {
    id: 'I3',
    name: 'available + reserved + issued + withdrawn = total',
    holds: broken.length === 0,
    detail: `${available} + ${reserved} + ${issued} + ${withdrawn} = ${total}, looked ${samples.length + 1} times`,
  };
}

async function lostUnits({ campaign }, { units, database }) {
  const { total, available, reserved, withdrawn } = campaign;
  const serials = [...units.granted.map(({ serial }) => serial), ...units.pooled];
  const distinct = new Set(serials).size;
  const lost = total - withdrawn - available - database.rows;
  return {
    id: 'I4',
    name: 'no lost unit: nothing reserved, each unit in one place',
    holds:
      lost === 0 &&
      reserved === 0 &&
      units.leases === 0 &&
      distinct === serials.length &&
      distinct === total - withdrawn &&
      units.pooled.length === available,
    detail: `${lost} lost, ${reserved} reserved, ${distinct} of ${total} units seen`,
  };
}

async function agreement(evidence, { units, database }) {
  const issued = units.granted.filter(({ state }) => state === 'i');
  const missing = await notInDatabase(evidence, issued);
  return {
    id: '',
    name: 'Redis and the database agree, one by one',
    holds: missing === 0 && issued.length === database.rows,
    detail: `${issued.length} issued in Redis, ${missing} of them without their row`,
  };
}

async function toldIssued(evidence) {
  const issued = evidence.told.filter(({ status }) => status === 'issued');
  const accepted = evidence.told.filter(({ status }) => status === 'accepted');
  const missing = (await notInDatabase(evidence, issued)) + (await notInDatabase(evidence, accepted));
  return {
    id: 'I5',
    name: 'told issued or accepted: the row is there',
    holds: missing === 0,
    detail: `${issued.length} + ${accepted.length} told, ${missing} without their row`,
  };
}

async function refused({ sql, table, campaignId, told }) {
  const nothing = told.filter(({ status }) => status !== 'issued' && status !== 'accepted' && status !== 'REDIS');
  const { rows } = await sql.query(
    `SELECT user_id FROM ${table} WHERE campaign_id = $1 AND user_id = ANY($2::text[])`,
    [campaignId, nothing.map(({ userId }) => userId)],
  );
  return {
    id: 'I6',
    name: 'told sold out or not issued: no row',
    holds: rows.length === 0,
    detail: `${nothing.length} told, ${rows.length} with a row`,
  };
}

async function repeats(evidence) {
  const wrong = evidence.repeats.filter(
    ({ same, fresh }) => same.status !== 'issued' || fresh.status !== 'already_issued',
  );
  const different = await notInDatabase(
    evidence,
    evidence.repeats.map(({ userId, same }) => ({ userId, ...same })),
  );
  return {
    id: 'I7',
    name: 'asked again: the same coupon; under a new id: no other',
    holds: wrong.length === 0 && different === 0,
    detail: `${evidence.repeats.length} asked again, ${Math.max(wrong.length, different)} told something else`,
  };
}

async function twoUsers({ sql, table, campaignId, deliveries }) {
  const { rows } = await sql.query(
    `SELECT code FROM (
       SELECT code, user_id FROM ${table} WHERE campaign_id = $1
       UNION SELECT * FROM unnest($2::text[], $3::text[]) AS delivered(code, user_id)
     ) AS seen GROUP BY code HAVING count(DISTINCT user_id) > 1`,
    [campaignId, deliveries.map(({ code }) => code), deliveries.map(({ userId }) => userId)],
  );
  return {
    id: 'I10',
    name: 'no code delivered to or saved for two users',
    holds: rows.length === 0,
    detail: `${deliveries.length} delivered, ${rows.length} codes with two users`,
  };
}

/** How many of these coupons have no row with that user, that serial and, where it was shown, that code. */
async function notInDatabase({ sql, table, campaignId }, coupons) {
  const { rows } = await sql.query(
    `SELECT count(*)::int AS missing
     FROM unnest($2::text[], $3::bigint[], $4::text[]) AS told(user_id, serial, code)
     LEFT JOIN ${table} saved ON saved.campaign_id = $1 AND saved.user_id = told.user_id AND saved.serial = told.serial
       AND (told.code IS NULL OR saved.code = told.code)
     WHERE saved.serial IS NULL`,
    [
      campaignId,
      coupons.map(({ userId }) => userId),
      coupons.map(({ serial }) => serial),
      coupons.map(({ code }) => code),
    ],
  );
  return rows[0].missing;
}
