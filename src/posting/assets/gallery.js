// The gallery: what is posted, newest first. Everything that comes from elsewhere is set as text.
'use strict';

const $ = id => document.getElementById(id);
const base = new URL('.', location.href); // the service may live below any path

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const spelled = new Intl.DateTimeFormat('en', { dateStyle: 'long', timeZone: 'UTC' });

function card(image) {
  const picture = make('img', { src: image.url, alt: image.caption, loading: 'lazy', decoding: 'async', width: 512, height: 512 });
  const figure = make('figure', {}, picture, make('figcaption', { textContent: image.caption }),
    make('time', { dateTime: image.date, textContent: spelled.format(new Date(image.date)) }));
  if (image.post) figure.append(make('span', { className: 'links' }, make('a', { href: image.post, textContent: 'The post', rel: 'noopener noreferrer' })));
  return make('li', {}, figure);
}

let next = '';

async function show() {
  const response = await fetch(new URL(`api/images?limit=24&cursor=${encodeURIComponent(next)}`, base));
  const page = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(page.detail || `the server answered ${response.status}`);
  $('images').append(...page.images.map(card));
  next = page.next || '';
  $('more').hidden = !next;
  $('empty').hidden = $('images').children.length > 0;
}

function failed(error) {
  $('said').textContent = `The pictures cannot be shown: ${error.message}`;
  $('said').classList.add('bad');
}

$('more').onclick = () => show().catch(failed);
show().catch(failed).finally(() => { document.body.dataset.ready = 'yes'; });
