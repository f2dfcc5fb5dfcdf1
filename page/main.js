import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { ask, setToken, takeToken } from './api.js';
import { Campaign } from './campaign.js';
import { Codes } from './codes.js';
import { Find } from './find.js';
import { Events } from './live.js';
import { Overview } from './overview.js';
import { Fault, html, Title } from './parts.js';
import { Workers } from './workers.js';

const PAGES = [
  ['#/', 'Campaigns'],
  ['#/find', 'Find'],
  ['#/workers', 'Workers'],
  ['#/events', 'Events'],
];

function useHash() {
  const [hash, setHash] = useState(location.hash || '#/');
  useEffect(() => {
    const follow = () => setHash(location.hash || '#/');
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return hash;
}

/** For a dashboard that the command opened: its token was printed there. */
function LogIn({ error, onToken }) {
  const [text, setText] = useState('');
  return html`<${Title}>Who asks?</><${Fault} error=${error} />
    <section><form class="row" onSubmit=${(event) => {
      event.preventDefault();
      setToken(text.trim());
      onToken();
    }}>
      <label>Token that the command printed<input type="password" required autocomplete="off" value=${text} onInput=${({ target }) => setText(target.value)} /></label>
      <button class="main">Log in</button>
    </form></section>`;
}

function App() {
  const hash = useHash();
  const [me, setMe] = useState(null);
  const [refusal, setRefusal] = useState(null);
  const enter = () =>
    ask('overview').then(
      ({ me: user }) => {
        setMe(user);
        setRefusal(null);
      },
      (error) => setRefusal(error),
    );
  useEffect(() => void enter(), []);
  const campaign = /^#\/campaign\/([\w.-]+)$/.exec(hash)?.[1];
  const pool = /^#\/codes\/([\w.-]+)$/.exec(hash)?.[1];
  const page = () => {
    if (campaign) return html`<${Campaign} key=${campaign} id=${campaign} me=${me} onUser=${setMe} />`;
    if (pool) return html`<${Codes} key=${pool} id=${pool} me=${me} />`;
    if (hash === '#/find') return html`<${Find} />`;
    if (hash === '#/events') return html`<${Events} />`;
    return hash === '#/workers' ? html`<${Workers} />` : html`<${Overview} onUser=${setMe} />`;
  };
  return html`<header><strong>Coupons</strong>
      <nav aria-label="Pages">${PAGES.map(
        ([to, name]) => html`<a href=${to} aria-current=${hash === to ? 'page' : undefined}>${name}</a>`,
      )}</nav>
      ${me && html`<span class="soft">${me.name} · ${me.role === 'write' ? 'may change' : 'read only'}</span>`}</header>
    <main>${!me && refusal ? html`<${LogIn} error=${refusal} onToken=${enter} />` : me && page()}</main>`;
}

takeToken();
render(html`<${App} />`, document.getElementById('app'));
