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
  forgetting = setTimeout(() => { token = ""; }, 600000);
}

// place shows the sheet of a document that casbah has sent.
function place(html) {
  const sheet = new DOMParser().parseFromString(html, "text/html").querySelector("[data-sheet]");
  if (!sheet) throw new Error("that is no order");
  dialog.replaceChildren(...sheet.childNodes);
  const secret = dialog.querySelector("input[name=token]");
  if (secret) secret.value = token;
  if (!dialog.open) dialog.showModal();
  const first = dialog.querySelector("[role=alert], input:not([type=hidden]), select");
  if (first && first.matches("input")) first.focus();
}

// say shows a line in place of a sheet.
function say(text) {
  const line = document.createElement("p");
  const back = document.createElement("a");
  line.setAttribute("role", "alert");
  line.textContent = text;
  back.href = "/";
  back.textContent = "Back to the page";
  back.className = "act";
  back.dataset.close = "";
  dialog.replaceChildren(line, back);
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
  for (const b of form.querySelectorAll("button")) b.disabled = true; // once is enough
  try {
    // An order that is done answers with a redirect to the page, which is here already.
    const answer = await fetch(form.action, { method: "POST", body: fields, redirect: "manual" });
    if (answer.type === "opaqueredirect") {
      remember(given);
      dialog.close();
      return;
    }
    remember(answer.status === 403 ? "" : given);
    place(await answer.text());
  } catch (e) {
    say("casbah does not answer; look whether the order is in force: " + e.message);
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
  if (!dialog.open) dialog.replaceChildren();
});
