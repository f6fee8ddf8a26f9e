// The page of the image platform: uploads, pictures, links, deletes. Everything that comes from
// elsewhere is set as text. The owner's token of this browser stays in this browser.
'use strict';

const UNDO = 6000; // milliseconds in which a delete can be taken back
const DIRECT = 4_400_000; // bytes that fit into a request behind API Gateway and Lambda
const AT_ONCE = 2;

const $ = id => document.getElementById(id);
const base = new URL('.', location.href); // the service may live below any path

const token = (() => {
  const known = localStorage.getItem('owner-token');
  if (known) return known;
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  const made = Array.from(bytes, b => b.toString(16).padStart(2, '0')).join('');
  localStorage.setItem('owner-token', made);
  return made;
})();
const mine = { authorization: `Bearer ${token}` };
const owned = new Set(JSON.parse(localStorage.getItem('owned') || '[]'));

function own(id, is) {
  if (is) owned.add(id); else owned.delete(id);
  localStorage.setItem('owned', JSON.stringify([...owned]));
}

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

async function call(path, options = {}) {
  const response = await fetch(new URL(path, base), options);
  const type = response.headers.get('content-type') || '';
  const body = type.includes('json') ? await response.json() : null;
  if (!response.ok) throw new Error(body?.detail || body?.message || `the server answered ${response.status}`);
  return body;
}

const size = bytes => bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

// --- Uploads ---

const waiting = [];
let running = 0;

function add(files) {
  for (const file of files) {
    const bar = make('progress', { max: 1, value: 0, ariaLabel: `Upload of ${file.name}` });
    const state = make('span', { className: 'small', textContent: 'waiting' });
    const line = make('li', {}, make('span', { className: 'name', textContent: file.name }), bar, state);
    $('queue').append(line);
    waiting.push({ file, bar, state, line });
  }
  next();
}

function next() {
  while (running < AT_ONCE && waiting.length) {
    running += 1;
    const job = waiting.shift();
    send(job).catch(error => later(job, error)).finally(() => { running -= 1; next(); });
  }
}

// Who is told to wait, waits, and then goes on by itself.
function later(job, error) {
  if (!error.wait || job.waited > 5) return failed(job, error);
  job.waited = (job.waited || 0) + 1;
  job.state.textContent = `waits ${error.wait} s`;
  setTimeout(() => { waiting.push(job); next(); }, error.wait * 1000);
}

function failed({ line, bar, state }, error) {
  bar.hidden = true;
  state.textContent = 'not uploaded';
  const away = make('button', { type: 'button', textContent: 'Dismiss', onclick: () => line.remove() });
  state.replaceWith(away);
  line.append(make('span', { className: 'bad', textContent: error.message }));
}

async function send(job) {
  const { file, bar, state, line } = job;
  const progress = part => {
    bar.value = part;
    state.textContent = part < 1 ? `${Math.round(part * 100)} %` : 'resizing';
  };
  let image;
  if (file.size > DIRECT) {
    const ticket = await call('uploads', {
      method: 'POST',
      headers: { ...mine, 'content-type': 'application/json' },
      body: JSON.stringify({ name: file.name, size: file.size, content_type: file.type || 'image/jpeg' }),
    });
    await transfer(ticket.method, ticket.url, ticket.headers, file, progress);
    image = await call(`uploads/${ticket.upload}`, { method: 'POST', headers: mine });
  } else {
    const form = new FormData();
    form.append('image', file);
    image = await transfer('POST', new URL('upload', base), mine, form, progress);
  }
  own(image.id, true);
  line.remove();
  document.getElementById(`image-${image.id}`)?.remove();
  $('grid').prepend(card(image));
  said();
}

// fetch cannot tell how much of a body has left; XMLHttpRequest can.
function transfer(method, url, headers, body, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = event => progress(event.lengthComputable ? event.loaded / event.total : 0);
    request.upload.onload = () => progress(1);
    request.onerror = () => reject(new Error('the connection broke; try again'));
    request.onload = () => {
      let answer = null;
      try { answer = JSON.parse(request.responseText); } catch { /* an answer of a proxy's own */ }
      if (request.status < 300) resolve(answer);
      else {
        const error = new Error(answer?.detail || answer?.message || `the server answered ${request.status}`);
        if (request.status === 429) error.wait = +request.getResponseHeader('retry-after') || 5;
        reject(error);
      }
    };
    request.send(body);
  });
}

// --- Pictures ---

function card(image) {
  const smallest = image.sizes['300'] || Object.values(image.sizes)[0];
  const picture = make('a', { className: 'picture', href: image.original_url },
    make('img', { src: smallest?.url || image.original_url, alt: image.name, loading: 'lazy' }));
  const sizes = make('p', { className: 'sizes' });
  const show = (asked, one) => {
    const text = one.width < asked ? `${asked} (is ${one.width})` : `${asked}`;
    sizes.append(make('a', { href: one.url, textContent: text, title: one.note || `${one.width} x ${one.height} pixels` }));
  };
  for (const [asked, one] of Object.entries(image.sizes)) show(+asked, one);
  const copy = make('button', { type: 'button', className: 'main', textContent: 'Copy link' });
  copy.onclick = async () => {
    await navigator.clipboard.writeText(new URL(image.short_url, base).href);
    copy.textContent = 'Copied';
    setTimeout(() => { copy.textContent = 'Copy link'; }, 1500);
  };
  const about = make('div', { className: 'about' },
    make('span', { className: 'name', textContent: image.name, title: image.name }),
    make('p', { className: 'facts', textContent: `${image.width} x ${image.height}  ${size(image.bytes)}${image.animated ? '  first frame' : ''}` }),
    sizes);
  const actions = make('div', { className: 'row' }, copy);
  const element = make('li', { className: 'card', id: `image-${image.id}` }, picture, about);
  if (owned.has(image.id)) {
    const width = make('input', { type: 'number', min: 1, max: 16383, placeholder: 'width', ariaLabel: `Width in pixels for ${image.name}`, required: true });
    const resize = make('form', { className: 'row' }, width, make('button', { textContent: 'Resize' }));
    resize.onsubmit = async event => {
      event.preventDefault();
      try {
        const asked = +width.value;
        const one = await call(`images/${image.id}/sizes`, {
          method: 'POST', headers: { ...mine, 'content-type': 'application/json' }, body: JSON.stringify({ width: asked }),
        });
        if (!image.sizes[asked]) show(asked, one);
        image.sizes[asked] = one;
        width.value = '';
        if (one.note) toast(one.note);
      } catch (error) { toast(error.message); }
    };
    const away = make('button', { type: 'button', textContent: 'Delete', ariaLabel: `Delete ${image.name}` });
    away.onclick = () => discard(image, element);
    actions.append(away);
    about.append(resize);
  }
  about.append(actions);
  return element;
}

// A delete is sent when its undo is over, or when the page goes away.
const doomed = new Map();

function discard(image, element) {
  const place = element.nextElementSibling;
  element.remove();
  said();
  const stop = toast(`${image.name} is deleted`, 'Undo', () => {
    clearTimeout(doomed.get(image.id));
    doomed.delete(image.id);
    $('grid').insertBefore(element, place?.isConnected ? place : null);
    said();
  });
  doomed.set(image.id, setTimeout(async () => {
    doomed.delete(image.id);
    stop();
    try {
      const gone = await call(`images/${image.id}`, { method: 'DELETE', headers: mine });
      own(image.id, false);
      if (!gone.deleted) toast(`Not all of ${image.name} is gone yet; the rest follows.`);
    } catch (error) {
      $('grid').prepend(element);
      said();
      toast(error.message);
    }
  }, UNDO));
}

addEventListener('pagehide', () => {
  for (const [id, timer] of doomed) {
    clearTimeout(timer);
    fetch(new URL(`images/${id}`, base), { method: 'DELETE', headers: mine, keepalive: true });
    own(id, false);
  }
});

function toast(text, action, act) {
  const element = make('div', { className: 'toast' }, make('span', { textContent: text }));
  const stop = () => element.remove();
  if (action) element.append(make('button', { type: 'button', textContent: action, onclick: () => { stop(); act(); } }));
  $('toasts').append(element);
  if (!action) setTimeout(stop, 5000);
  return stop;
}

// --- The list ---

let cursor = null;

async function load() {
  $('more').disabled = true;
  try {
    const page = await call(`images?limit=24${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`);
    for (const image of page.images) {
      if (!document.getElementById(`image-${image.id}`) && !doomed.has(image.id)) $('grid').append(card(image));
    }
    cursor = page.next;
    $('more').hidden = !cursor;
    said();
  } catch (error) {
    $('state').textContent = `The pictures cannot be shown: ${error.message}`;
    $('state').classList.add('bad');
  }
  $('more').disabled = false;
}

function said() {
  $('state').classList.remove('bad');
  $('state').textContent = $('grid').children.length ? '' : 'No pictures yet. The first one you drop appears here.';
}

$('more').onclick = load;
$('files').onchange = event => { add(event.target.files); event.target.value = ''; };
const drop = $('drop');
// The whole page takes what is dropped: a file that misses the frame does not replace the page.
addEventListener('dragover', event => { event.preventDefault(); drop.classList.add('over'); });
addEventListener('dragleave', event => { if (!event.relatedTarget) drop.classList.remove('over'); });
addEventListener('drop', event => {
  event.preventDefault();
  drop.classList.remove('over');
  add(event.dataTransfer.files);
});
$('state').textContent = 'Loading.';
load();
