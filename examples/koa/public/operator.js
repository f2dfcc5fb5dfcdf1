const LOOK_EVERY_MS = 1_000;

const $ = (id) => document.getElementById(id);
let token = takeToken();
let busy = false;

$('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  token = $('token').value;
  $('token').value = '';
  look();
});
$('pause').addEventListener('click', () => act('pause', 'The line is paused.'));
$('resume').addEventListener('click', () => act('resume', 'The line goes on.'));
$('rate-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const perSecond = $('rate').valueAsNumber;
  act('rate', `At most ${perSecond} per second are admitted now.`, { body: { perSecond } });
});
$('stock-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const add = $('add').valueAsNumber;
  const done = await act('restock', `The stock changed by ${add}.`, { body: { add }, key: newKey() });
  if (done) $('stock-form').reset();
});
look();
setInterval(look, LOOK_EVERY_MS);

/** The part of the address after # is not sent to any server. It is taken out of the address bar, and forgotten with the tab. */
function takeToken() {
  const given = location.hash.slice(1);
  if (given) {
    sessionStorage.setItem('operator', given);
    history.replaceState(null, '', location.pathname);
  }
  return sessionStorage.getItem('operator') ?? '';
}

async function look() {
  if (!token) return show('door');
  if (busy) return;
  busy = true;
  const { status, body } = await ask('GET', '');
  busy = false;
  if (status === 401) return refuse();
  if (status !== 200) return say(body.detail ?? 'The server does not answer.');
  sessionStorage.setItem('operator', token);
  render(body);
  show('room');
}

function refuse() {
  token = '';
  sessionStorage.removeItem('operator');
  say('This token is not the right one.');
  show('door');
}

function render({ campaignId, state, waiting, total, available, reserved, issued, perSecond, measuredPerSecond }) {
  for (const [id, count] of Object.entries({ waiting, available, reserved, issued })) {
    $(id).textContent = count === null ? 'no limit' : count.toLocaleString('en');
  }
  $('measured').textContent = measuredPerSecond === null ? '–' : measuredPerSecond.toFixed(1);
  $('campaign').textContent = campaignId;
  $('state').textContent = state;
  $('state').dataset.state = state;
  // Not `disabled`, which would take the focus away from whoever just pressed it.
  $('pause').ariaDisabled = String(state !== 'open' && state !== 'scheduled');
  $('resume').ariaDisabled = String(state !== 'paused');
  if (total) $('progress').max = total;
  $('progress').value = issued;
  if ($('rate').value === '') $('rate').value = perSecond;
}

/** Answers whether it was done. */
async function act(name, done, { body, key } = {}) {
  if ($(name)?.ariaDisabled === 'true') return false;
  const { status, body: answer } = await ask('POST', `/${name}`, { body, key });
  const ok = status >= 200 && status < 300;
  say(ok ? done : (answer.detail ?? 'The server does not answer.'));
  await look();
  return ok;
}

async function ask(method, path, { body, key } = {}) {
  const headers = { authorization: `Bearer ${token}`, accept: 'application/json' };
  if (body) headers['content-type'] = 'application/json';
  if (key) headers['idempotency-key'] = key;
  try {
    const response = await fetch(`/api/operator${path}`, {
      method,
      headers,
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: response.status === 204 ? {} : await response.json() };
  } catch {
    return { status: 0, body: {} };
  }
}

/** `crypto.randomUUID` is only there on a secure connection. */
function newKey() {
  return [...crypto.getRandomValues(new Uint32Array(4))].join('-');
}

function show(id) {
  $('door').hidden = id !== 'door';
  $('room').hidden = id !== 'room';
}

function say(text) {
  $('message').textContent = text;
}
