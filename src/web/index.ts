export type { UserCoupon } from '../model/user-answer.js';
export { type FetchHandler, type HandlerOptions, handler } from './fetch.js';
export { type NodeHandler, type NodeHandlerOptions, nodeHandler } from './node.js';
export type { AskedUser, PickedData, RoutedIssuer, RouteOptions } from './options.js';
