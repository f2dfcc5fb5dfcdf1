import { HttpProblem } from './problems.js';

/** Put your own login here. Every token is a login of the user of that name; a request without one has no user. */
export function userOf({ headers }) {
  return /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1] ?? null;
}

export function loggedIn(req) {
  const userId = userOf(req);
  if (userId === null) throw new HttpProblem(401, 'log in first');
  return userId;
}
