// The admin's page: has pictures drawn, shows jobs, account and audit. Everything that comes from
// elsewhere is set as text. The token stays in this tab.
'use strict';

const $ = id => document.getElementById(id);
const base = new URL('.', location.href); // the service may live below any path
const back = new URL('admin', base).href;

let config = { sign_in: null };
let claims = null;

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function say(text, bad = false) {
  $('said').textContent = text;
  $('said').classList.toggle('bad', bad);
  if (text) $('said').scrollIntoView({ block: 'nearest' });
}

async function call(path, options = {}) {
  const headers = { ...(options.headers || {}) };
  const token = sessionStorage.getItem('token');
  if (token) headers.authorization = `Bearer ${token}`;
  if (options.body) headers['content-type'] = 'application/json';
  const response = await fetch(new URL(path, base), { ...options, headers });
  const body = await response.json().catch(() => null);
  if (response.status === 401) {
    forget();
    throw new Error('Please sign in (again).');
  }
  if (!response.ok) {
    const error = new Error(body?.detail || body?.message || `the server answered ${response.status}`);
    error.fields = body?.errors || [];
    throw error;
  }
  return body;
}

const write = (path, body) => call(path, { method: 'POST', body: JSON.stringify(body || {}) });

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
  known();
}

// What the token says is for show only: gateway and service check it at every request.
function known() {
  claims = null;
  try {
    const text = sessionStorage.getItem('token').split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
    claims = JSON.parse(atob(text));
    if (claims.exp * 1000 < Date.now()) claims = null;
  } catch { /* nobody is signed in */ }
  const admin = (claims?.['cognito:groups'] || []).includes('admin');
  $('name').textContent = claims ? claims.username || claims['cognito:username'] || '' : '';
  $('sign-in').hidden = !!claims || !config.sign_in;
  $('sign-out').hidden = !claims;
  $('stranger').hidden = admin;
  $('inside').hidden = !admin;
  return admin;
}

// --- Lists ---

const time = text => (text ? `${text.slice(0, 10)} ${text.slice(11, 16)} UTC` : '');
const cell = (text, className = '') => make('td', { className, textContent: text ?? '' });

function fill(table, empty, rows, afresh = true) {
  const body = $(table).tBodies[0];
  if (afresh) body.replaceChildren();
  body.append(...rows);
  $(table).hidden = body.rows.length === 0;
  $(empty).hidden = body.rows.length > 0;
}

function button(text, label, act) {
  const made = make('button', { type: 'button', textContent: text, ariaLabel: label });
  made.onclick = async () => {
    made.disabled = true;
    try {
      await act();
    } catch (error) {
      say(error.message, true);
    }
    made.disabled = false;
    await refresh();
  };
  return made;
}

function row(job) {
  const path = `api/admin/jobs/${encodeURIComponent(job.id)}`;
  const acts = make('td', {});
  if (job.post) acts.append(make('a', { href: job.post, textContent: 'The post', rel: 'noopener noreferrer' }));
  if (job.status === 'unknown') {
    acts.append(button('It is on X', `${job.caption}: it is on X`, async () => {
      if (!confirm(`You looked, and “${job.caption}” is on X?`)) return;
      await write(`${path}/verdict`, { published: true });
      say('It is noted as posted.');
    }), ' ', button('It is not', `${job.caption}: it is not on X`, async () => {
      if (!confirm(`You looked, and “${job.caption}” is not on X? It will be posted.`)) return;
      await write(`${path}/verdict`, { published: false });
      await write(`${path}/post`);
      say('It is being posted.');
    }));
  } else if (['failed', 'uploaded'].includes(job.status)) {
    acts.append(button('Try again', `${job.caption}: try again`, async () => {
      await write(`${path}/post`).catch(async error => {
        if (!error.message.includes('not drawn')) throw error;
        await write('api/admin/generate', { date: job.date });
      });
      say('It is tried again; what is posted already stays as it is.');
    }));
  }
  const name = make('td', {}, make('b', { textContent: job.caption }), make('br'), make('span', { className: 'quiet', textContent: job.id }));
  return make('tr', {}, name, cell(job.date, 'number'), cell(job.status, `status ${job.status}`), cell(job.reason, 'text'), acts);
}

let next = '';

async function jobs(afresh) {
  const page = await call(`api/admin/jobs?limit=20&cursor=${encodeURIComponent(afresh ? '' : next)}`);
  fill('jobs', 'no-jobs', page.jobs.map(row), afresh);
  next = page.next || '';
  $('more').hidden = !next;
  const open = page.jobs.filter(job => ['failed', 'unknown'].includes(job.status)).length;
  if (afresh) $('title').textContent = open ? `${open} of the last pictures ${open === 1 ? 'is' : 'are'} not posted` : 'Spooky Days: admin';
}

const METRICS = { followers_count: 'followers', following_count: 'following', tweet_count: 'posts', like_count: 'likes', listed_count: 'lists' };

async function account() {
  const told = await call('api/admin/account');
  const pairs = told.unavailable ? [['cannot be read', told.unavailable]] : [['name', `@${told.username}`]];
  for (const [key, label] of Object.entries(METRICS)) {
    if (told.metrics?.[key] !== undefined) pairs.push([label, told.metrics[key].toLocaleString('en')]);
  }
  $('account').replaceChildren(...pairs.map(([label, value]) => make('div', {}, make('dt', { textContent: label }), make('dd', { textContent: value }))));
}

async function refresh() {
  if (!known()) return;
  const [{ runs }, { acts }] = await Promise.all([call('api/admin/runs'), call('api/admin/audit?limit=20'), jobs(true), account()]);
  fill('runs', 'no-runs', runs.map(run => make('tr', {}, cell(run.date, 'number'), cell(run.planned ?? 'left out', 'number'), cell(run.reason, 'text'), cell(time(run.at), 'number'))));
  fill('audit', 'no-acts', acts.map(act => make('tr', {}, cell(time(act.at), 'number'), cell(act.by), cell(act.action), cell(act.on, 'text'), cell(act.outcome, 'text'))));
}

// --- The form ---

$('generate').onsubmit = async submit => {
  submit.preventDefault();
  const form = $('generate');
  const [error, send] = [form.querySelector('.error'), form.querySelector('button')];
  error.textContent = '';
  for (const field of form.elements) field.removeAttribute('aria-invalid');
  const body = { date: form.elements.date.value };
  if (form.elements.day.value.trim()) body.day = form.elements.day.value.trim();
  send.disabled = true;
  try {
    await write('api/admin/generate', body);
    say('It is queued. The list below shows how it gets on.');
    form.elements.day.value = '';
    await refresh();
  } catch (failure) {
    error.textContent = failure.message;
    for (const { field } of failure.fields || []) form.elements[field]?.setAttribute?.('aria-invalid', 'true');
  }
  send.disabled = false;
};

$('sign-in').onclick = signIn;
$('sign-out').onclick = () => {
  forget();
  const query = new URLSearchParams({ client_id: config.sign_in.client, logout_uri: back });
  location.assign(`${config.sign_in.url}/logout?${query}`);
};
$('more').onclick = () => jobs(false).catch(error => say(error.message, true));

(async () => {
  try {
    config = await call('config.json');
    const today = new Intl.DateTimeFormat('en-CA', { timeZone: config.zone || 'UTC' }).format(new Date());
    $('generate').elements.date.value = today;
    await comeBack();
    await refresh();
    known();
  } catch (error) {
    say(error.message, true);
  }
  document.body.dataset.ready = 'yes';
})();
