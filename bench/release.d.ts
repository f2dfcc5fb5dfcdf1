export function buildRelease(): Promise<
  { readonly dist: string; readonly missing?: undefined } | { readonly dist?: undefined; readonly missing: string }
>;
