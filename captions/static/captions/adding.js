// Adding pictures by button, drop and paste: three at a time, each with its own progress and its own error.
(() => {
"use strict";
const AT_ONCE = 3;
const { desk } = window;
const form = document.getElementById("adding");
const input = document.getElementById("files");
const list = document.getElementById("adding-list");
const head = document.getElementById("adding-head");
const sum = document.getElementById("adding-sum");
const clear = document.getElementById("adding-clear");
const queue = [];
let running = 0, total = 0, added = 0, known = 0, failed = 0;

const make = (tag, attributes = {}, text = "") => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
};
const plural = (number, one) => `${number} ${one}${number === 1 ? "" : "s"}`;

const add = (files) => {
  for (const file of files) {
    total += 1;
    queue.push(row(file));
  }
  tell();
  next();
};

const row = (file) => {
  const item = make("li");
  const name = file.name || "Pasted picture";
  const how = make("span", { class: "how" });
  item.append(make("span", { class: "what" }, name), how);
  list.append(item);
  const job = { file, name, item, how };
  waits(job);
  return job;
};

const waits = (job) => {
  job.item.querySelector(".why")?.remove();
  job.how.replaceChildren(document.createTextNode("Waits"));
};

const next = () => {
  while (running < AT_ONCE && queue.length) send(queue.shift());
};

const send = (job) => {
  const most = Number(form.dataset.maxBytes);
  if (job.file.size > most) {
    refuse(job, `<p><strong>This file is larger than ${form.dataset.maxWords}, so it was not sent.</strong> Make it smaller, then add it once more.</p><p class="prov">Code <code>file_too_large</code></p>`, false);
    return;
  }
  running += 1;
  const progress = make("progress", { max: "100", value: "0", "aria-label": `Adding ${job.name}` });
  const words = make("span", {}, "Sending");
  const stop = make("button", { type: "button", class: "plain" }, "Stop");
  job.how.replaceChildren(progress, words, stop);
  const body = new FormData();
  body.append("next", location.pathname + location.search);
  body.append("file", job.file, job.name);
  const request = new XMLHttpRequest();
  request.open("POST", form.action);
  request.setRequestHeader("HX-Request", "true");
  request.setRequestHeader("X-CSRFToken", form.elements.csrfmiddlewaretoken.value);
  request.upload.onprogress = (event) => { if (event.lengthComputable) progress.value = 100 * event.loaded / event.total; };
  request.upload.onload = () => { words.textContent = "Checking"; };
  request.onload = () => { finish(job, request); };
  request.onerror = () => refuse(job, "<p><strong>The desk did not answer, so this file was not added.</strong> Try again in a moment.</p>", true);
  request.onabort = () => refuse(job, "<p>You stopped this file. Nothing of it was kept.</p>", true);
  request.onloadend = () => { running -= 1; tell(); next(); };
  stop.addEventListener("click", () => request.abort());
  request.send(body);
};

const finish = (job, request) => {
  const away = request.getResponseHeader("HX-Redirect");
  if (away) { location.assign(away); return; }
  if (request.status === 201) { show(job, request.responseText); return; }
  if (request.status === 200) { already(job, request.responseText); return; }
  const ours = !/<html/i.test(request.responseText.slice(0, 400));
  const text = ours && request.responseText.trim() ? request.responseText : `<p><strong>This file could not be added.</strong> The answer was number ${request.status}. Try again, or tell the operator.</p>`;
  refuse(job, text, request.status >= 500 || request.status === 429 || request.status === 403);
};

const show = (job, html) => {
  added += 1;
  job.item.remove();
  const sheet = document.getElementById("sheet");
  const empty = document.getElementById("empty");
  sheet.hidden = false;
  empty?.remove();
  htmx.swap(sheet, html, { swapStyle: "afterbegin", swapDelay: 0, settleDelay: 0 });
  const card = sheet.querySelector(".frame");
  if (card) settle(card);
  if (card) document.dispatchEvent(new CustomEvent("desk:look", { detail: { image: card.dataset.image } }));
};

// Answers overtake each other; the newest picture stands first all the same.
const numberOf = (frame) => Number(frame.querySelector(".number").textContent);
const settle = (card) => {
  let before = card.nextElementSibling;
  while (before?.matches(".frame") && numberOf(before) > numberOf(card)) before = before.nextElementSibling;
  if (before !== card.nextElementSibling) card.parentElement.insertBefore(card, before);
};

const already = (job, html) => {
  known += 1;
  const words = make("span");
  words.innerHTML = html; // the server's own fragment, escaped there
  job.how.replaceChildren(words);
};

const refuse = (job, html, mayRetry) => {
  failed += 1;
  const why = make("div", { class: "why wrong" });
  why.innerHTML = html; // the server's own fragment, escaped there, or words of this file
  job.item.append(why);
  const buttons = [];
  if (mayRetry) {
    const again = make("button", { type: "button" }, "Try again");
    again.append(make("span", { class: "unseen" }, ` ${job.name}`));
    again.addEventListener("click", () => { failed -= 1; waits(job); queue.push(job); tell(); next(); });
    buttons.push(again);
  }
  const off = make("button", { type: "button", class: "plain" }, "Take off the list");
  off.append(make("span", { class: "unseen" }, ` ${job.name}`));
  off.addEventListener("click", () => { failed -= 1; total -= 1; job.item.remove(); tell(); });
  job.how.replaceChildren(...buttons, off);
  tell();
};

const tell = () => {
  const busy = running + queue.length;
  head.hidden = total === 0 || (!busy && !list.childElementCount);
  const parts = [`${added} of ${plural(total, "picture")} added.`];
  if (known) parts.push(`${known} ${known === 1 ? "was" : "were"} here already.`);
  if (failed) parts.push(`${failed} could not be added.`);
  const words = parts.join(" ");
  if (sum.textContent !== words) sum.textContent = words;
  clear.hidden = busy > 0;
  if (!busy) {
    if (total) desk.say(words);
    if (!list.childElementCount) total = added = known = failed = 0;
  }
};

clear.addEventListener("click", () => { list.replaceChildren(); total = added = known = failed = 0; tell(); });
input.addEventListener("change", () => { add(input.files); input.value = ""; });
form.addEventListener("submit", (event) => event.preventDefault());

// ---- dropping anywhere: every drag over the page is ours while it carries files
let depth = 0;
const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
const mark = (on) => { document.body.classList.toggle("dropping", on); form.classList.toggle("over", on); };
addEventListener("dragenter", (event) => { if (carriesFiles(event)) { event.preventDefault(); depth += 1; mark(true); } });
addEventListener("dragover", (event) => { if (carriesFiles(event)) event.preventDefault(); });
addEventListener("dragleave", () => { depth = Math.max(0, depth - 1); if (!depth) mark(false); });
addEventListener("drop", (event) => {
  depth = 0;
  mark(false);
  if (!carriesFiles(event)) return;
  event.preventDefault();
  add(event.dataTransfer.files);
});
addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (!files.length || event.target.closest?.("textarea, input:not([type=file])")) return;
  event.preventDefault();
  add(files);
});
addEventListener("beforeunload", (event) => { if (running || queue.length) event.preventDefault(); });
})();
