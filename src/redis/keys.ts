/**
 * The keys of one campaign. They share one hash tag, so a Cluster keeps them in one slot and a script may use them
 * together.
 */
export interface CampaignKeys {
  readonly campaign: string;
  readonly grants: string;
  readonly senders: string;
  readonly leases: string;
  readonly returned: string;
  readonly pool: string;
  /** The data of callers, JSON text: the field of a reservation → its data. */
  readonly data: string;
  readonly codes: string;
  /** The waiting room: user → ticket. */
  readonly queue: string;
  /** The waiting room: user → the id of their issuance to come, and their data. */
  readonly tickets: string;
  /** The waiting room: user → last sign of life. */
  readonly presence: string;
  /** The waiting room: users that left or were absent for too long, the last ones. */
  readonly ended: string;
  /** Only while it is rebuilt: the grants of before. */
  readonly old: string;
  /** Only while it is rebuilt: which grants of before still hold a unit, by serial. */
  readonly kept: string;
  /** Only while it is rebuilt: the codes that were known before. */
  readonly known: string;
  /** Nothing is kept in it: the rights of this Redis user are tried there. */
  readonly rights: string;
}

export type KeyName = keyof CampaignKeys | keyof RegistryKeys | keyof CacheKeys;

export function campaignKeys(prefix: string, campaignId: string): CampaignKeys {
  const tag = `{${prefix}:${campaignId}}`;
  return {
    campaign: `${tag}:campaign`,
    grants: `${tag}:grants`,
    senders: `${tag}:senders`,
    leases: `${tag}:leases`,
    returned: `${tag}:returned`,
    pool: `${tag}:pool`,
    data: `${tag}:data`,
    codes: `${tag}:codes`,
    queue: `${tag}:queue`,
    tickets: `${tag}:tickets`,
    presence: `${tag}:presence`,
    ended: `${tag}:ended`,
    old: `${tag}:old`,
    kept: `${tag}:kept`,
    known: `${tag}:known`,
    rights: `${tag}:rights`,
  };
}

/** The keys that all campaigns of a prefix share. Each key is in a slot of its own. */
export interface RegistryKeys {
  /** The id of every campaign, with the mark of its last registration. */
  readonly registry: string;
  /** The generation that was handed out last. */
  readonly generation: string;
  /** The newest campaigns that are over: when each was closed, and when its keys expire or that it was purged. */
  readonly over: string;
  /** The running workers: id → the last note of each. */
  readonly workers: string;
}

export function registryKeys(prefix: string): RegistryKeys {
  return {
    registry: `${prefix}:registry`,
    generation: `${prefix}:generation`,
    over: `${prefix}:over`,
    workers: `${prefix}:workers`,
  };
}

/** The keys of one entry of a cache. Each is in a slot of its own. */
export interface CacheKeys {
  /** Its value, its lease and its last failure, under one tag. */
  readonly entry: string;
  /** Of the whole cache: the bytes of stored values, by the instant when they are gone. */
  readonly stored: string;
}

/** The keys of one entry, by its id. A campaign id has no colon, so no campaign has these keys. */
export function cacheKeys(prefix: string, name: string, id: string): CacheKeys {
  return { entry: `{${prefix}:cache:${name}:${id}}`, stored: `{${prefix}:cache:${name}}` };
}
