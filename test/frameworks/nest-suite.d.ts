/** Each part is the namespace of its module; `adapter` makes an HTTP adapter of Nest. */
export function nestSuite(
  test: (name: string, run: () => Promise<void>) => void,
  parts: Readonly<Record<'common' | 'core' | 'adapter' | 'coupons' | 'nestjs' | 'Redis', unknown>>,
): void;
