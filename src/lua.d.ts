/** A script of `lua/`, bundled at build time. */
declare module '*.lua' {
  const script: {
    readonly source: string;
    readonly sha1: string;
    readonly joint: { readonly behind: string; readonly sha1: string } | null;
  };
  export default script;
}
