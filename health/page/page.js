// Keeps the page current: every frame of the event stream is the content of
// #live, and what differs from the document is taken over, node by node, so
// that focus, selection, scrolling and open cards survive.
"use strict";

const live = document.getElementById("live");
const lost = document.getElementById("lost");
const lostAt = document.getElementById("lost-at");
const root = document.documentElement;

function sameKind(a, b) {
  return a.nodeType === b.nodeType && a.nodeName === b.nodeName && a.id === b.id;
}

// morph makes the children of have equal to those of want.
function morph(have, want) {
  let old = have.firstChild;
  for (const next of [...want.childNodes]) {
    if (!old) {
      have.append(next);
      continue;
    }
    const after = old.nextSibling;
    if (!sameKind(old, next)) {
      old.replaceWith(next);
    } else if (old.nodeType === Node.ELEMENT_NODE) {
      attributes(old, next);
      morph(old, next);
    } else if (old.data !== next.data) {
      old.data = next.data;
    }
    old = after;
  }
  while (old) {
    const after = old.nextSibling;
    old.remove();
    old = after;
  }
}

function attributes(old, next) {
  for (const { name } of [...old.attributes]) {
    // Whoever opened a <details> wants it open.
    if (!next.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function show(html) {
  const frame = document.createElement("template");
  frame.innerHTML = html;
  morph(live, frame.content);
  document.title = live.querySelector("[data-headline]").dataset.headline + " · casbah";
  root.classList.add("live");
  root.classList.remove("stale");
  lost.hidden = true;
  watch();
}

function losing() {
  if (!lost.hidden) return;
  lostAt.textContent = new Date().toLocaleTimeString();
  lost.hidden = false;
  root.classList.remove("live");
  root.classList.add("stale");
}

// A stream that is silent without an end is lost as well, be it from its beginning.
// The browser would wait for ever where the other end is gone, or is another machine
// by now: another stream is tried.
let timer;
function watch() {
  clearTimeout(timer);
  timer = setTimeout(() => { losing(); connect(); }, 8000);
}

let stream;
function connect() {
  if (stream) stream.close();
  stream = new EventSource("/api/v1/events");
  stream.onmessage = (e) => show(e.data);
  stream.onerror = () => {
    losing();
    // The browser reconnects by itself unless the answer was a refusal.
    if (stream.readyState !== EventSource.CLOSED) return;
    clearTimeout(timer);
    timer = setTimeout(connect, 5000);
  };
  watch();
}

connect();
