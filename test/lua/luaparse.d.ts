declare module 'luaparse' {
  /** A node of the syntax tree; which properties it has depends on its `type`. */
  export interface Node {
    readonly type: string;
    readonly [property: string]: unknown;
  }
  export function parse(source: string, options: { luaVersion: '5.1' }): Node;
}
