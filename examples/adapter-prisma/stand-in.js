// Stands in for a generated Prisma client: the queries of `adapter.js`, over PostgreSQL. It knows no others.
const MOST_PARAMETERS = 32_767;
const OPERATORS = { gt: '>', in: '= ANY' };
const RETRYABLE = ['40001', '40P01'];

/** `pool` is one of pg. */
export function prismaStandIn(pool) {
  const coupon = {
    createMany({ data }) {
      const rows = JSON.stringify(data);
      const insert = `INSERT INTO coupons SELECT * FROM json_populate_recordset(null::coupons, $1) ON CONFLICT DO NOTHING`;
      return query(pool, insert, [rows], ({ rowCount }) => ({ count: rowCount }));
    },
    updateMany({ where, data }) {
      const values = [];
      const set = Object.entries(data).map(([field, value]) =>
        value?.increment ? `"${field}" = "${field}" + ${value.increment}` : `"${field}" = ${put(values, value)}`,
      );
      const text = `UPDATE coupons SET ${set} WHERE ${conditionOf(where, values)}`;
      return query(pool, text, values, ({ rowCount }) => ({ count: rowCount }));
    },
    findMany({ where, orderBy = {}, take }) {
      const values = [];
      const condition = conditionOf(where, values);
      const order = Object.entries(orderBy).map(([field, direction]) => `"${field}" ${direction}`);
      const text = `SELECT * FROM coupons WHERE ${condition} ${order.length > 0 ? `ORDER BY ${order}` : ''} ${take ? `LIMIT ${take}` : ''}`;
      return query(pool, text, values, ({ rows }) => rows.map((row) => ({ ...row, serial: BigInt(row.serial) })));
    },
  };
  return { coupon, $transaction: (queries) => inTransaction(pool, queries) };
}

/** A query that is sent when it is awaited, or by the transaction that it is given to: so are those of Prisma. */
function query(pool, text, values, resultOf) {
  const on = async (client) => {
    const count = values.flat().length;
    if (count > MOST_PARAMETERS) throw Object.assign(new Error(`${count} parameters`), { code: 'P2029' });
    return resultOf(await client.query(text, values).catch(failAsPrisma));
  };
  // biome-ignore lint/suspicious/noThenProperty: a query of Prisma is a thenable
  return { on, then: (resolve, reject) => on(pool).then(resolve, reject) };
}

async function inTransaction(pool, queries) {
  const client = await pool.connect();
  let isOver = false;
  try {
    await client.query('BEGIN');
    const results = [];
    for (const one of queries) results.push(await one.on(client));
    await client.query('COMMIT').catch(failAsPrisma);
    isOver = true;
    return results;
  } finally {
    // A connection that is closed is rolled back.
    client.release(!isOver);
  }
}

function failAsPrisma(error) {
  throw RETRYABLE.includes(error.code) ? Object.assign(new Error('write conflict'), { code: 'P2034' }) : error;
}

function conditionOf(where, values) {
  const all = Object.entries(where).filter(([, value]) => value !== undefined);
  return all.map((one) => partOf(one, values)).join(' AND ');
}

function partOf([field, value], values) {
  if (field === 'OR')
    return value.length === 0 ? 'false' : `(${value.map((one) => conditionOf(one, values)).join(' OR ')})`;
  if (value === null) return `"${field}" IS NULL`;
  if (typeof value !== 'object') return `"${field}" = ${put(values, value)}`;
  const [[operator, operand]] = Object.entries(value);
  return `"${field}" ${OPERATORS[operator]} (${put(values, operand)})`;
}

function put(values, value) {
  values.push(value);
  return `$${values.length}`;
}
