/** How waiting ended, or why there is no line to join: a title, words, and what may be done. */
const ENDS = {
  left: ['You left the line', 'Your place went to the next person. You may join again, at the end.', 'again'],
  absent: [
    'Your place was given up',
    'We had not heard from this page for a while, so the line moved on. You may join again, at the end.',
    'again',
  ],
  lost: ['The line had to start anew', 'A fault on our side lost the line. We are sorry: please join again.', 'again'],
  none: ['You are not in line', 'We know of no place of yours. You may join now.', 'again'],
  sold_out: ['Sold out', 'All coupons have been given away. If some come back, the line opens again.', 'look'],
  closed: ['The line is closed', 'This campaign is over. Thank you for coming.', null],
  paused: ['The line is paused', 'Nobody can join at this moment. Please look again in a little while.', 'look'],
  not_ready: ['The line is being checked', 'Nobody can join at this moment. Please look again shortly.', 'look'],
  not_open: ['The line is not open yet', 'Come back when it opens.', 'look'],
  not_eligible: ['This coupon is not for you', 'The campaign is for other visitors.', null],
  overloaded: ['The line is full', 'As many people wait as there is room for. Please look again shortly.', 'look'],
  redis: ['No answer', 'Whether you have a place is not known. Look again to find out.', 'look'],
  trouble: ['Something went wrong', 'It was not your fault. Please look again in a moment.', 'look'],
};

/** A word the page does not know is trouble. */
export function wordsOf(kind, { opensAt } = {}) {
  const [title, text, action] = Object.hasOwn(ENDS, kind) ? ENDS[kind] : ENDS.trouble;
  const when = kind === 'not_open' && opensAt ? `It opens on ${atInWords(opensAt)}.` : text;
  return { title, text: when, action };
}

/** Rough on purpose: the pace of a line is no timetable. */
export function etaInWords(ms) {
  if (ms === null) return 'The waiting time is not known yet';
  const minutes = Math.round(ms / 60_000);
  if (ms < 10_000) return 'Only a few seconds left';
  if (ms < 50_000) return 'Less than a minute left';
  if (minutes <= 1) return 'About a minute left';
  if (minutes < 60) return `About ${minutes} minutes left`;
  const hours = Math.round(minutes / 60);
  return hours === 1 ? 'About an hour left' : `About ${hours} hours left`;
}

export function positionInWords(position) {
  return position === null ? 'Your place is drawn when the line opens' : `You are number ${position} in line`;
}

function atInWords(instant) {
  return new Date(instant).toLocaleString(undefined, { dateStyle: 'long', timeStyle: 'short' });
}
