import { useState } from 'preact/hooks';
import { html, instant, number } from './parts.js';

/** `crypto.randomUUID` is missing where the page came over plain HTTP. */
export const randomId = () =>
  Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36)).join('');

/** Read and shown in the time of this browser. */
const asIso = (local) => new Date(local).toISOString();

/** An instant, and the button that sends it. `none`: the button that removes the bound. */
function InstantForm({ label, button, none, onSend, onNone }) {
  const [text, setText] = useState('');
  return html`<form class="row" onSubmit=${(event) => {
    event.preventDefault();
    onSend(asIso(text));
  }}>
    <label>${label}<input type="datetime-local" required step="1" value=${text} onInput=${({ target }) => setText(target.value)} /></label>
    <button>${button}</button>
    ${none && html`<button type="button" onClick=${onNone}>${none}</button>`}
  </form>`;
}

const wordsOf = ({ at, from, every, count }) =>
  every ? `${number(count)} every ${every} from ${instant(from)} on` : `${number(count)} at ${instant(at)}`;

function WaveForm({ onSend, onNone }) {
  const [wave, setWave] = useState({ at: '', count: '', every: '' });
  const set = (name) => (event) => setWave({ ...wave, [name]: event.target.value });
  return html`<form class="row" onSubmit=${(event) => {
    event.preventDefault();
    const { at, count, every } = wave;
    onSend({ count: Number(count), ...(every ? { from: asIso(at), every } : { at: asIso(at) }) });
  }}>
    <label>Next wave at<input type="datetime-local" required step="1" value=${wave.at} onInput=${set('at')} /></label>
    <label>Users admitted<input type="number" required min="1" value=${wave.count} onInput=${set('count')} /></label>
    <label>Again<select value=${wave.every} onChange=${set('every')}>
      <option value="">never</option><option value="hour">every hour</option><option value="day">every day</option>
    </select></label>
    <button>Add the wave</button>
    ${onNone && html`<button type="button" onClick=${onNone}>No waves</button>`}
  </form>`;
}

/** The window, the limit per user, and the waves of a waiting room. */
export function RulesForm({ campaign, confirm }) {
  const { id, state, perUser, admission, room, pace } = campaign;
  const [limit, setLimit] = useState('');
  // One id for the question and its repeats: a late copy changes nothing a second time.
  const update = (text, change) =>
    confirm(text, 'update', { ...change, requestId: `dashboard-${randomId()}` }, 'The rules are changed.');
  const opens = (opensAt) => update(`Open ${id} ${opensAt ? `at ${instant(opensAt)}` : 'now'}?`, { opensAt });
  const closes = (closesAt) =>
    update(closesAt ? `Let ${id} close at ${instant(closesAt)}?` : `Let ${id} stay open until it is closed?`, {
      closesAt,
    });
  const waves = pace.waves ?? [];
  const setWaves = (next) =>
    confirm(
      next ? `Set the waves of ${id} to: ${next.map(wordsOf).join('; ')}?` : `Take all waves of ${id} away?`,
      'pace',
      { waves: next },
      'The waves are set.',
    );
  return html`
    ${state === 'scheduled' && html`<${InstantForm} label="Opens at" button="Move the opening" none=${!room?.drawAtOpen && 'Open now'} onSend=${opens} onNone=${() => opens(null)} />`}
    <${InstantForm} label="Closes at" button="Move the end" none="No end" onSend=${closes} onNone=${() => closes(null)} />
    <form class="row" onSubmit=${(event) => {
      event.preventDefault();
      update(`Let each user of ${id} have ${number(Number(limit))} coupons?`, { perUser: Number(limit) });
    }}>
      <label>Coupons per user, ${number(perUser)} or more<input type="number" required min=${perUser} max="100" value=${limit} onInput=${({ target }) => setLimit(target.value)} /></label>
      <button>Raise the limit</button>
    </form>
    ${
      admission === 'queued' &&
      html`<p class="soft">Waves: ${waves.length === 0 ? 'none' : waves.map(wordsOf).join('; ')}</p>
      <${WaveForm} onSend=${(wave) => setWaves([...waves, wave])} onNone=${waves.length > 0 && (() => setWaves(null))} />`
    }`;
}
