// Opens the forms of orders in a dialog. Every step is a page of its own, which
// works without this script: it is fetched, and its content shown.
"use strict";

const dialog = document.getElementById("order");

// The token is kept in memory, until this document goes or ten minutes after the
// last order, and nowhere else: what a browser stores outlives the person at the desk.
let token = "";
let forgetting;

function remember(given) {
  token = given;
  clearTimeout(forgetting);
  forgetting = setTimeout(forget, 600000);
}

// forget forgets the token, also where it stands in a form that nobody has sent.
function forget() {
  const secret = dialog.querySelector("input[name=token]");
  if (secret && secret.value === token) secret.value = "";
  token = "";
}

// What became of orders after another form was opened, to be read until the dialog
// is closed.
let late = [];

function sheetOf(html) {
  const sheet = new DOMParser().parseFromString(html, "text/html").querySelector("[data-sheet]");
  if (!sheet) throw new Error("that is no order");
  return sheet;
}

// place shows the sheet of a document that casbah has sent.
function place(html) {
  dialog.replaceChildren(...late, ...sheetOf(html).childNodes);
  const secret = dialog.querySelector("input[name=token]");
  if (secret) secret.value = token;
  if (!dialog.open) dialog.showModal();
  const first = dialog.querySelector("[role=alert], input:not([type=hidden]), select");
  if (first && first.matches("input")) first.focus();
}

// alertOf returns a line that is read out.
function alertOf(text) {
  const line = document.createElement("p");
  line.setAttribute("role", "alert");
  line.textContent = text;
  return line;
}

// say shows a line in place of a sheet.
function say(text) {
  const back = document.createElement("a");
  back.href = "/";
  back.textContent = "Back to the page";
  back.className = "act";
  back.dataset.close = "";
  dialog.replaceChildren(...late, alertOf(text), back);
  if (!dialog.open) dialog.showModal();
}

// sayLate shows a line above what is there, which it leaves alone.
function sayLate(text) {
  late.push(alertOf(text));
  dialog.prepend(late.at(-1));
  if (!dialog.open) dialog.showModal();
}

// Of several that are asked for, the last is shown, and none in a dialog that was
// closed while it was under way.
let asked = 0;

async function load(address) {
  const turn = ++asked;
  const within = dialog.open;
  const stale = () => turn !== asked || (within && !dialog.open);
  try {
    const answer = await fetch(address);
    const html = await answer.text();
    if (!stale()) place(html);
  } catch (e) {
    if (!stale()) say("casbah does not answer: " + e.message);
  }
}

async function send(form) {
  const fields = new URLSearchParams(new FormData(form));
  if (form.method === "get") {
    await load(new URL(form.action).pathname + "?" + fields);
    return;
  }
  const given = fields.get("token");
  const title = dialog.querySelector("h1").textContent;
  const turn = ++asked; // what was asked for before is not shown any more
  const here = () => turn === asked; // else the dialog has another form by now, which is left alone
  for (const b of form.querySelectorAll("button")) b.disabled = true; // once is enough
  try {
    // An order that is done answers with a redirect to the page, which is here already.
    const answer = await fetch(form.action, { method: "POST", body: fields, redirect: "manual" });
    if (answer.type === "opaqueredirect") {
      remember(given);
      if (here()) dialog.close();
      return;
    }
    remember(answer.status === 403 ? "" : given);
    const html = await answer.text();
    if (here()) place(html);
    else sayLate(title + ": " + sheetOf(html).querySelector("[role=alert]").textContent);
  } catch (e) {
    const text = "casbah does not answer; look whether the order is in force: " + e.message;
    if (here()) say(text);
    else sayLate(title + ": " + text);
  }
}

document.addEventListener("click", (e) => {
  const link = e.target.closest("a[data-order], a[data-close]");
  if (!link || e.ctrlKey || e.metaKey || e.shiftKey) return;
  if (link.dataset.close !== undefined) {
    if (!dialog.open) return;
    dialog.close();
  } else {
    load(link.href);
  }
  e.preventDefault();
});

dialog.addEventListener("submit", (e) => {
  e.preventDefault();
  send(e.target);
});

// Nothing that was typed stays behind. The event may come so late that the dialog
// is open again, with what was asked for since.
dialog.addEventListener("close", () => {
  if (dialog.open) return;
  late = [];
  dialog.replaceChildren();
});
