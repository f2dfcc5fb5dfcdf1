export interface Explored {
  readonly states: number;
  readonly broken: string | null;
  readonly trace: readonly string[];
}

type Steps<S> = (state: S, emit: (next: S, why: string) => void) => void;

/** Every state that can be reached, breadth first, of a model whose states are plain data; the shortest way to one that breaks a promise. */
export function exploreBreadth<S>(first: S, steps: Steps<S>, brokenBy: (state: S) => string | null): Explored {
  const from = new Map<string, { readonly parent: string; readonly why: string }>([
    [JSON.stringify(first), { parent: '', why: '' }],
  ]);
  let found: { broken: string; key: string } | null = null;
  for (let level = [first]; level.length > 0 && !found; ) {
    const next: S[] = [];
    for (const state of level) {
      const parent = JSON.stringify(state);
      steps(state, (reached, why) => {
        const key = JSON.stringify(reached);
        if (from.has(key)) return;
        from.set(key, { parent, why });
        const broken = brokenBy(reached);
        if (broken) found ??= { broken, key };
        next.push(reached);
      });
    }
    level = next;
  }
  const trace: string[] = [];
  const { broken = null, key = '' } = (found as { broken: string; key: string } | null) ?? {};
  for (let at = key; at !== ''; at = from.get(at)!.parent) trace.unshift(from.get(at)!.why);
  return { states: from.size, broken, trace: trace.slice(1) };
}
