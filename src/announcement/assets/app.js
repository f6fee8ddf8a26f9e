// The page of the announcement path: events, subscriptions, and the form for publishers. Everything
// that comes from elsewhere is set as text. The token stays in this tab.
'use strict';

const $ = id => document.getElementById(id);
const base = new URL('.', location.href); // the service may live below any path
const back = base.href;

let config = { sign_in: null, topics: true };
let claims = null;

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function say(text, bad = false) {
  $('said').textContent = text;
  $('said').classList.toggle('bad', bad);
  $('said').scrollIntoView({ block: 'nearest' });
}

async function call(path, options = {}) {
  const headers = { ...(options.headers || {}) };
  const token = sessionStorage.getItem('token');
  if (token && options.method) headers.authorization = `Bearer ${token}`;
  if (options.body) headers['content-type'] = 'application/json';
  const response = await fetch(new URL(path, base), { ...options, headers });
  const type = response.headers.get('content-type') || '';
  const body = type.includes('json') ? await response.json() : null;
  if (response.status === 401) {
    forget();
    throw new Error('Please sign in (again).');
  }
  if (!response.ok) {
    const error = new Error(body?.detail || `the server answered ${response.status}`);
    error.fields = body?.errors || [];
    throw error;
  }
  return body;
}

// --- Sign-in: an authorization code with PKCE (RFC 7636) ---

const code64 = bytes => btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const random = () => code64(crypto.getRandomValues(new Uint8Array(32)));

async function signIn() {
  const verifier = random();
  const state = random();
  sessionStorage.setItem('verifier', verifier);
  sessionStorage.setItem('state', state);
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
  const query = new URLSearchParams({
    response_type: 'code', client_id: config.sign_in.client, redirect_uri: back, scope: 'openid', state,
    code_challenge: code64(new Uint8Array(digest)), code_challenge_method: 'S256',
  });
  location.assign(`${config.sign_in.url}/oauth2/authorize?${query}`);
}

async function comeBack() {
  const query = new URLSearchParams(location.search);
  const code = query.get('code');
  if (!code) return;
  history.replaceState(null, '', back);
  const verifier = sessionStorage.getItem('verifier');
  const expected = sessionStorage.getItem('state');
  sessionStorage.removeItem('verifier');
  sessionStorage.removeItem('state');
  if (!verifier || query.get('state') !== expected) {
    say('The sign-in did not begin here; try again.', true);
    return;
  }
  const response = await fetch(`${config.sign_in.url}/oauth2/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code', client_id: config.sign_in.client, code, redirect_uri: back, code_verifier: verifier,
    }),
  });
  if (!response.ok) {
    say('The sign-in did not work; try again.', true);
    return;
  }
  sessionStorage.setItem('token', (await response.json()).access_token);
}

function forget() {
  sessionStorage.removeItem('token');
  claims = null;
  known();
}

// What the token says is for show only: the server checks it at every request.
function known() {
  const token = sessionStorage.getItem('token');
  claims = null;
  try {
    const text = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    claims = JSON.parse(atob(text));
    if (claims.exp * 1000 < Date.now()) claims = null;
  } catch { /* nobody is signed in */ }
  $('name').textContent = claims ? claims.username || claims['cognito:username'] || '' : '';
  $('sign-in').hidden = !!claims || !config.sign_in;
  $('sign-out').hidden = !claims;
  $('admin').hidden = !publisher();
  for (const button of document.querySelectorAll('.delete')) button.hidden = !publisher();
}

const publisher = () => (claims?.['cognito:groups'] || []).includes('publisher');

// --- Events ---

function card(event) {
  const links = make('div', { className: 'links' });
  if (event.link) links.append(make('a', { href: event.link, textContent: 'More about it', rel: 'noopener noreferrer' }));
  if (!event.past) links.append(make('a', { href: new URL(event.calendar, base).href, textContent: 'For your calendar' }));
  const about = make('div', {}, make('h3', { textContent: event.title }));
  if (event.place) about.append(make('p', { className: 'quiet', textContent: event.place }));
  about.append(make('p', { textContent: event.description }), links);
  const away = make('button', { type: 'button', className: 'delete', textContent: event.past ? 'Delete' : 'Cancel event', hidden: !publisher() });
  away.ariaLabel = `${away.textContent}: ${event.title}`;
  const item = make('li', { id: `event-${event.id}`, className: event.past ? 'past' : '' },
    make('time', { dateTime: event.date, textContent: event.spelled }), about, make('div', {}, away));
  away.onclick = async () => {
    if (!confirm(event.past ? `Delete “${event.title}”?` : `Cancel “${event.title}” and tell everybody?`)) return;
    away.disabled = true;
    try {
      await call(`events/${event.id}`, { method: 'DELETE' });
      item.remove();
      say(event.past ? 'The event is deleted.' : 'The event is cancelled; everybody who was to come is told.');
    } catch (error) {
      away.disabled = false;
      say(error.message, true);
    }
  };
  return item;
}

let next = '';

async function show(afresh) {
  if (afresh) next = '';
  const page = await call(`events?limit=20&cursor=${encodeURIComponent(next)}`);
  if (afresh) $('events').replaceChildren();
  $('events').append(...page.events.map(card));
  next = page.next || '';
  $('more').hidden = !page.next;
  $('empty').hidden = $('events').children.length > 0;
}

// --- Forms ---

const topics = text => text.split(',').map(t => t.trim().toLowerCase()).filter(Boolean);

function prepare(form, send) {
  const error = form.querySelector('.error');
  form.onsubmit = async submit => {
    submit.preventDefault();
    const button = form.querySelector('button.main');
    error.textContent = '';
    for (const field of form.elements) field.removeAttribute('aria-invalid');
    if (!claims) {
      if (config.sign_in) error.textContent = 'Please sign in first; the button is at the top.';
      return;
    }
    button.disabled = true;
    try {
      await send(form.elements);
      form.reset();
    } catch (failure) {
      const said = failure.fields?.map(f => `${f.field}: ${f.detail}`) || [];
      error.textContent = said.length ? said.join('\n') : failure.message;
      const names = { email: 'contact', phone: 'contact', date: 'day' };
      for (const { field } of failure.fields || []) {
        form.elements[names[field] || field]?.setAttribute?.('aria-invalid', 'true');
      }
      form.querySelector('[aria-invalid]')?.focus();
    }
    button.disabled = false;
  };
}

prepare($('subscribe'), async fields => {
  const contact = fields.contact.value.trim();
  const wish = contact.startsWith('+') ? { phone: contact } : { email: contact };
  if (topics(fields.topics.value).length) wish.topics = topics(fields.topics.value);
  await call('subscriptions', { method: 'POST', body: JSON.stringify(wish) });
  say('Look into your messages: the link there confirms it.');
});

let attempt = crypto.randomUUID();

prepare($('create'), async fields => {
  let date = fields.day.value;
  if (fields.time.value) {
    const at = new Date(`${date}T${fields.time.value}`);
    const offset = -at.getTimezoneOffset();
    const two = n => String(Math.floor(Math.abs(n))).padStart(2, '0');
    date = `${date}T${fields.time.value}:00${offset < 0 ? '-' : '+'}${two(offset / 60)}:${two(offset % 60)}`;
  }
  const body = { title: fields.title.value, description: fields.description.value, date };
  if (fields.place.value) body.place = fields.place.value;
  if (fields.link.value) body.link = fields.link.value;
  if (topics(fields.topics.value).length) body.topics = topics(fields.topics.value);
  const text = JSON.stringify(body);
  // The same form sent twice, say after the connection broke, is one event.
  const key = sessionStorage.getItem('sent') === text ? attempt : (attempt = crypto.randomUUID());
  sessionStorage.setItem('sent', text);
  await call('events', { method: 'POST', body: text, headers: { 'idempotency-key': key } });
  sessionStorage.removeItem('sent');
  say('The event is announced; subscribers are being told.');
  await show(true);
});

$('sign-in').onclick = signIn;
$('sign-out').onclick = () => {
  forget();
  const query = new URLSearchParams({ client_id: config.sign_in.client, logout_uri: back });
  location.assign(`${config.sign_in.url}/logout?${query}`);
};
$('more').onclick = () => show(false).catch(error => say(error.message, true));

(async () => {
  try {
    config = await call('config.json');
    $('topics-label').hidden = !config.topics;
    await comeBack();
    known();
    await show(true);
  } catch (error) {
    say(error.message, true);
  }
  document.body.dataset.ready = 'yes';
})();
