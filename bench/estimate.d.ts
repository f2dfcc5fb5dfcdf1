type Cpu = Readonly<Record<'nodeMicros' | 'redisMicros' | 'databaseMicros', number>>;
export function estimate(
  figures: Cpu,
  cores: number,
): { perSecond: number; isRedisFull: boolean; cores: Record<'node' | 'redis' | 'database', number> };
