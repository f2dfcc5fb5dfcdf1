import { etaInWords, positionInWords, wordsOf } from './words.js';

const ANNOUNCED_EVERY_MS = 5_000;
const RETRY_MS = 3_000;
const COPIED_MS = 2_000;
const FINAL = ['issued', 'left', 'absent', 'sold_out', 'closed', 'lost', 'revoked', 'none'];

const $ = (id) => document.getElementById(id);
const sections = [...document.querySelectorAll('main > section')];
const live = { saidAt: Number.NEGATIVE_INFINITY, timer: undefined };
/** The path of the campaign's routes. */
let line = '/api/line';
let events;
let waited = false;
let asking = false;

for (const [action, act] of Object.entries({ join, leave, copy, look })) {
  for (const button of document.querySelectorAll(`[data-action=${action}]`)) {
    button.addEventListener('click', () => once(button, act));
  }
}
look();

/** Where this visitor stands, and whether there is a line to join. */
async function look() {
  const { ok, body } = await ask('GET');
  if (ok) arrive(body);
  else showEnd(kindOf(body), body);
}

/** After an answer that was no stream: what is shown stays until there is a better one. */
async function lookAgain() {
  const { ok, body } = await ask('GET');
  if (ok) arrive(body);
  else setTimeout(lookAgain, RETRY_MS);
}

function arrive(body) {
  $('connection').hidden = true;
  const { id, state, opensAt, soldOut } = body.campaign;
  line = `/api/line/${id}`;
  if (body.status !== 'none') return follow(body);
  if (state === 'scheduled') return showEnd('not_open', { opensAt });
  if (state === 'open' && soldOut) return showEnd('sold_out');
  if (state !== 'open') return showEnd(state);
  if (waited) showEnd('none');
  else show('welcome');
}

async function join() {
  const { ok, body } = await ask('POST', `${line}/join`);
  if (ok) follow(body);
  else showEnd(kindOf(body), body);
}

async function leave() {
  const { ok, body } = await ask('POST', `${line}/leave`);
  if (!ok) note('That did not work. Please try again.');
  // The events tell a user that was admitted first how it ended.
  else if (body.status !== 'reserved' && body.status !== 'issued') end(body.status);
}

/** Shows where they stand, and then what becomes of it. */
function follow(standing) {
  const { status, coupon = standing.coupons?.at(-1) } = standing;
  if (status !== 'waiting' && coupon?.code) return renderCoupon(coupon.code);
  // A code is shown once its row is committed.
  render(status === 'waiting' ? standing : { status: 'reserved' });
  events?.close();
  events = new EventSource(`${line}/events`);
  events.addEventListener('message', ({ data }) => {
    $('connection').hidden = true;
    render(JSON.parse(data));
  });
  events.addEventListener('open', () => {
    $('connection').hidden = true;
  });
  events.addEventListener('error', () => {
    if ($('connection').hidden) announce('Connection lost. You keep your place; this page is reconnecting.', true);
    $('connection').hidden = false;
    // A cut stream is opened again by the browser; after an answer that is no stream it gives up.
    if (events.readyState === EventSource.CLOSED) setTimeout(lookAgain, RETRY_MS);
  });
}

function render(change) {
  if (FINAL.includes(change.status)) events?.close();
  switch (change.status) {
    case 'waiting':
      return renderPlace(change);
    case 'reserved':
      show('reserved');
      return announce('It is your turn. Your coupon is being saved.', true);
    case 'issued':
      return renderCoupon(change.coupon.code);
    case 'not_ready':
      return note('One moment: the line is being checked. You keep your place.');
    // A new stream does not know what this page waited for.
    case 'none':
      return look();
    default:
      return end(change.status);
  }
}

function renderPlace({ ticket, position, etaMs }) {
  waited = true;
  $('position').textContent = position ?? '–';
  $('eta').textContent = position === null ? positionInWords(null) : etaInWords(etaMs);
  renderProgress(ticket, position);
  show('waiting');
  announce(position === null ? positionInWords(null) : `${positionInWords(position)}. ${etaInWords(etaMs)}.`);
  if (etaMs === null) explainStandstill();
  else note('');
}

/** No pace: nobody was admitted yet, or nobody is admitted now. */
async function explainStandstill() {
  if (asking) return;
  asking = true;
  const { ok, body } = await ask('GET');
  asking = false;
  if (!ok || body.status !== 'waiting' || body.etaMs !== null) return;
  note(body.campaign.state === 'paused' ? 'The line is paused for a moment. You keep your place.' : '');
}

/** From where this ticket was first seen. */
function renderProgress(ticket, position) {
  const seen = JSON.parse(sessionStorage.getItem('seen') ?? '{}');
  const first = seen.ticket === ticket ? Math.max(seen.position, position) : position;
  sessionStorage.setItem('seen', JSON.stringify({ ticket, position: first }));
  $('progress').max = Math.max(1, first);
  $('progress').value = first === null ? 0 : first - position;
}

function renderCoupon(code) {
  $('connection').hidden = true;
  $('code').textContent = code;
  show('issued');
  announce('Your coupon is here.', true);
}

function end(kind) {
  events?.close();
  showEnd(kind);
}

function showEnd(kind, details) {
  const { title, text, action } = wordsOf(kind, details);
  $('ended-title').textContent = title;
  $('ended-text').textContent = text;
  for (const id of ['again', 'look']) $(id).hidden = action !== id;
  $('connection').hidden = true;
  show('ended');
  announce(`${title}. ${text}`, true);
}

/** One section at a time. Focus that would vanish with a button goes to the new heading. */
function show(id) {
  const before = sections.find((section) => !section.hidden);
  const next = $(id);
  if (before === next) return;
  const held = before?.contains(document.activeElement);
  for (const section of sections) section.hidden = section !== next;
  document.title = `${next.querySelector('h1').textContent} · The coupon line`;
  if (held) next.querySelector('h1').focus();
}

function note(text) {
  if ($('note').textContent === text) return;
  $('note').textContent = text;
  $('note').hidden = text === '';
  $('waiting').classList.toggle('still', text !== '');
  if (text) announce(text, true);
}

/** The newest words, at most once in a while: a screen reader must not be talked over. What ends the waiting does not wait. */
function announce(text, atOnce = false) {
  clearTimeout(live.timer);
  const restMs = atOnce ? 0 : live.saidAt + ANNOUNCED_EVERY_MS - performance.now();
  live.timer = setTimeout(
    () => {
      if ($('live').textContent === text) return;
      $('live').textContent = text;
      live.saidAt = performance.now();
    },
    Math.max(0, restMs),
  );
}

async function copy() {
  const code = $('code');
  try {
    await navigator.clipboard.writeText(code.textContent);
  } catch {
    // Without a secure connection there is no clipboard: marked, it is one key away.
    getSelection().selectAllChildren(code);
    return announce('The code is selected. Copy it with your keyboard.', true);
  }
  const button = document.querySelector('[data-action=copy]');
  button.textContent = 'Copied';
  announce('The code was copied.', true);
  setTimeout(() => {
    button.textContent = 'Copy code';
  }, COPIED_MS);
}

/** A second press while the first is under way does nothing; the button keeps its focus. */
async function once(button, act) {
  if (button.ariaBusy === 'true') return;
  button.ariaBusy = 'true';
  await act();
  button.ariaBusy = 'false';
}

async function ask(method, path = '/api/line') {
  try {
    // A form of another site cannot send this type.
    const headers = { accept: 'application/json', ...(method === 'POST' && { 'content-type': 'application/json' }) };
    const response = await fetch(path, { method, headers });
    return { ok: response.ok, body: await response.json() };
  } catch {
    return { ok: false, body: {} };
  }
}

function kindOf({ type = '' }) {
  return type.replace('/problems/', '');
}
