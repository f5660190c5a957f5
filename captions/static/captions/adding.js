// Adding pictures by button, folder, drop and paste: in pieces by the tus protocol, three files at a time, each with its
// own progress and its own error. A file that was broken off goes on where it stopped, also after the page was closed:
// the server knows it by its fingerprint.
(() => {
"use strict";
const AT_ONCE = 3, PIECE = 5 * 1024 * 1024, ANNOUNCED = 200, CARDS = 48, LINES = 30;
const DELAYS = [0, 1000, 2000, 4000, 8000, 15000, 30000, 60000];
const { desk } = window;
const form = document.getElementById("adding");
const input = document.getElementById("files");
const folderInput = document.getElementById("folder");
const list = document.getElementById("adding-list");
const head = document.getElementById("adding-head");
const sum = document.getElementById("adding-sum");
const clear = document.getElementById("adding-clear");
const importLink = document.getElementById("adding-import");
const script = JSON.parse(form.dataset.script);
const { words } = script;
const queue = [], inWork = new Set();
let batch = form.dataset.import ?? "", announcing = 0, shown = 0;
let total = 0, added = 0, known = 0, failed = 0, passed = 0, opening = 0;

const make = (tag, attributes = {}, text = "") => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
};
const said = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => name in values ? String(values[name]) : whole);
const token = () => form.elements.csrfmiddlewaretoken.value;
const paragraph = (text) => { const box = make("div"); box.append(make("p", {}, text)); return box.innerHTML; };
const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });
const isZip = (file) => /\.zip$/i.test(file.name);

// ---- the client of the protocol is fetched when the first file is there, not with every page
let client = null;
const loaded = () => client ??= new Promise((resolve, reject) => {
  const element = make("script", { src: script.client });
  element.onload = () => resolve(window.tus);
  element.onerror = () => { client = null; element.remove(); reject(new Error("not loaded")); };
  document.head.append(element);
});

// ---- from choosing to the queue
const add = (found) => {
  const jobs = found.map(({ file, folder }) => ({
    file, folder, name: file.name || words.pasted, fingerprint: [file.name, file.size, file.lastModified, folder].join("|").slice(0, 200),
  }));
  if (!jobs.length) { tell(); return; }
  total += jobs.length;
  announcing += jobs.length;
  tell();
  waiting = waiting.then(() => announceAll(jobs));
};
let waiting = Promise.resolve();

const announceAll = async (jobs) => {
  for (let first = 0; first < jobs.length; first += ANNOUNCED) {
    const some = jobs.slice(first, first + ANNOUNCED);
    const answer = await announce(some);
    announcing -= some.length;
    some.forEach((job, at) => { if (answer) take(job, answer.files[at]); });
    tell();
    next();
  }
};

const announce = async (jobs) => {
  const body = JSON.stringify({ import: batch, files: jobs.map((job) => [job.file.name, job.folder, job.file.size, job.fingerprint]) });
  for (let tries = 0; ; tries += 1) {
    let answer = null;
    try {
      answer = await fetch(script.announce, { method: "POST", body, headers: { "X-CSRFToken": token(), "Content-Type": "application/json" } });
      if (answer.ok && !answer.redirected) {
        const told = await answer.json();
        batch ||= told.import;
        importLink.href = told.address;
        return told;
      }
    } catch { answer = null; } // no network: asked again
    if (answer?.redirected || (answer && answer.status < 500 && answer.status !== 429)) {
      const told = answer.redirected ? null : await answer.json().catch(() => null);
      jobs.forEach((job) => refuse(job, paragraph(told?.detail ?? words.loginAgain), null));
      return null;
    }
    await pause(DELAYS[Math.min(tries + 1, DELAYS.length - 1)]);
  }
};

const take = (job, told) => {
  if (!told) {
    refuse(job, `<p><strong>${isZip(job.file) ? words.largerZip : words.larger}</strong></p><p class="prov">${desk.words("code")} <code>${isZip(job.file) ? "archive_too_large" : "file_too_large"}</code></p>`, null);
    return;
  }
  job.id = told.id;
  job.batch = told.import; // an earlier one, when that still waits for this file
  job.address = told.offset ? `${script.endpoint}${told.id}/` : null;
  if (told.state === "done" || told.state === "known") { known += 1; return; }
  if (told.state === "checking") { opening += 1; return; }
  queue.push(job);
};

const next = () => {
  while (inWork.size < AT_ONCE && queue.length) send(queue.shift());
};

// ---- one file
const row = (job) => {
  if (job.item) return;
  job.item = make("li");
  job.how = make("span", { class: "how" });
  job.item.append(make("span", { class: "what", title: job.folder }, job.name), job.how);
  list.append(job.item);
};

const send = async (job) => {
  inWork.add(job);
  row(job);
  job.item.querySelector(".why")?.remove();
  job.progress = make("progress", { max: "100", value: "0", "aria-label": said(words.adding, { name: job.name }) });
  job.words = make("span", {}, words.sending);
  const stop = make("button", { type: "button", class: "plain" }, words.stop);
  stop.append(make("span", { class: "unseen" }, ` ${job.name}`));
  stop.addEventListener("click", () => stopped(job));
  job.how.replaceChildren(job.progress, job.words, stop);
  let tus = null;
  try { tus = await loaded(); } catch { lost(job); return; }
  if (!inWork.has(job)) return; // stopped meanwhile
  job.upload ??= new tus.Upload(job.file, {
    endpoint: script.endpoint,
    uploadUrl: job.address,
    chunkSize: PIECE,
    retryDelays: DELAYS,
    uploadDataDuringCreation: true,
    storeFingerprintForResuming: false,
    metadata: { filename: job.file.name || words.pasted, folder: job.folder, fingerprint: job.fingerprint, batch: job.batch },
    onBeforeRequest: (request) => request.setHeader("X-CSRFToken", token()),
    onShouldRetry: (error) => passes(error.originalResponse?.getStatus() ?? 0) && navigator.onLine !== false,
    onProgress: (sent, all) => {
      job.progress.value = all ? 100 * sent / all : 100;
      job.words.textContent = sent >= all ? words.checking : words.sending;
    },
    onSuccess: (payload) => arrived(job, payload.lastResponse),
    onError: (error) => broke(job, error),
  });
  if (navigator.onLine === false) { hold(job); return; }
  job.upload.start();
};
const passes = (status) => status === 0 || status >= 500 || [409, 423, 429, 460].includes(status);

const done = (job) => { inWork.delete(job); tell(); next(); document.dispatchEvent(new CustomEvent("desk:arrived")); };

const arrived = (job, response) => {
  const state = response?.getHeader("Desk-Upload-State") ?? "";
  const id = (response?.getHeader("Location") ?? job.upload.url ?? "").match(/([0-9a-f-]{36})\/?$/)?.[1] ?? job.id;
  job.id = id;
  if (state === "done" && !isZip(job.file)) { show(job, id); return; }
  if (state === "known") { already(job, id); return; }
  if (state === "refused") { outcome(id).then((html) => refuse(job, html, null)).catch(() => lost(job)); return; }
  opening += 1;
  const follow = make("a", { href: importLink.href }, words.follow);
  job.how.replaceChildren(make("span", {}, isZip(job.file) ? words.opening : words.waiting), follow);
  done(job);
};

const outcome = async (id) => {
  const address = script.outcome.replace(/[0-9a-f-]{36}/, id);
  const answer = await fetch(`${address}?${new URLSearchParams({ here: location.pathname + location.search })}`);
  if (!answer.ok) throw new Error(answer.status);
  return answer.text();
};

const show = async (job, id) => {
  added += 1;
  job.item.remove();
  const sheet = document.getElementById("sheet");
  if (sheet && shown < CARDS) {
    shown += 1;
    const html = await outcome(id).catch(() => "");
    if (html) place(sheet, html);
  }
  done(job);
};

const place = (sheet, html) => {
  sheet.hidden = false;
  document.getElementById("empty")?.remove();
  htmx.swap(sheet, html, { swapStyle: "afterbegin", swapDelay: 0, settleDelay: 0 });
  const card = sheet.querySelector(".frame");
  if (!card) return;
  settle(card);
  document.dispatchEvent(new CustomEvent("desk:look", { detail: { image: card.dataset.image } }));
};

// Answers overtake each other; the newest picture stands first all the same.
const numberOf = (frame) => Number(frame.querySelector(".number").textContent);
const settle = (card) => {
  let before = card.nextElementSibling;
  while (before?.matches(".frame") && numberOf(before) > numberOf(card)) before = before.nextElementSibling;
  if (before !== card.nextElementSibling) card.parentElement.insertBefore(card, before);
};

const already = async (job, id) => {
  known += 1;
  if (list.childElementCount > LINES) job.item.remove();
  else {
    const html = await outcome(id).catch(() => "");
    const line = make("span");
    line.innerHTML = html; // the server's own fragment, escaped there
    job.how.replaceChildren(line);
  }
  done(job);
};

// ---- when it does not go on
const broke = async (job, error) => {
  const status = error.originalResponse?.getStatus() ?? 0;
  if (passes(status)) { if (navigator.onLine === false) hold(job); else lost(job); return; }
  let detail = status === 401 || status === 403 ? words.loginAgain : said(words.fault, { status }), code = "";
  try {
    const told = JSON.parse(error.originalResponse.getBody()).errors[0];
    if (status !== 401 && status !== 403) detail = told.detail;
    code = told.code;
  } catch { /* not ours: a proxy's own page */ }
  const html = paragraph(detail) + (code ? `<p class="prov">${desk.words("code")} <code>${code.replace(/[^\w]/g, "")}</code></p>` : "");
  refuse(job, html, status === 401 || status === 403 ? () => requeue(job) : null);
};
const lost = (job) => refuse(job, paragraph(words.away), () => requeue(job));
const requeue = (job) => {
  job.address = job.upload?.url ?? job.address;
  job.upload = null; // a new one counts its tries from the beginning
  queue.push(job);
};

const stopped = async (job) => {
  inWork.delete(job);
  await job.upload?.abort().catch(() => {});
  const address = job.upload?.url ?? `${script.endpoint}${job.id}/`;
  const headers = { "Tus-Resumable": "1.0.0", "X-CSRFToken": token() };
  await fetch(address, { method: "DELETE", headers }).catch(() => {}); // else it would be awaited, with its bytes
  job.upload = job.address = null;
  refuse(job, paragraph(words.stopped), () => requeue(job));
  next();
};

const refuse = (job, html, again) => {
  inWork.delete(job);
  failed += 1;
  row(job);
  const why = make("div", { class: "why wrong" });
  why.innerHTML = html; // the server's own fragment, escaped there, or words of this page
  job.item.append(why);
  const buttons = [];
  if (again) {
    const button = make("button", { type: "button" }, words.again);
    button.append(make("span", { class: "unseen" }, ` ${job.name}`));
    button.addEventListener("click", () => { failed -= 1; again(); tell(); next(); });
    buttons.push(button);
  }
  const off = make("button", { type: "button", class: "plain" }, words.off);
  off.append(make("span", { class: "unseen" }, ` ${job.name}`));
  off.addEventListener("click", () => { failed -= 1; total -= 1; job.item.remove(); tell(); });
  job.how.replaceChildren(...buttons, off);
  tell();
  next();
};

// ---- the network goes and comes
const held = new Set();
const hold = (job) => { held.add(job); job.words.textContent = words.offline; };
addEventListener("offline", () => { for (const job of inWork) { job.upload?.abort(); hold(job); } });
addEventListener("online", () => {
  for (const job of held) if (inWork.has(job)) { job.words.textContent = words.sending; job.upload?.start(); }
  held.clear();
});

// ---- sums
const counted = (name, number) => said(words[number === 1 ? `${name}One` : name] ?? words[name], { [name]: number.toLocaleString(desk.language), total });
const tell = () => {
  const wait = queue.length + announcing;
  const busy = inWork.size + wait;
  head.hidden = !passed && (total === 0 || (!busy && !list.childElementCount));
  importLink.hidden = !batch || (!failed && !opening && total < 10) || location.pathname === new URL(importLink.href).pathname;
  const parts = [said(words[total === 1 ? "addedOne" : "added"], { added, total })];
  if (known) parts.push(counted("known", known));
  if (failed) parts.push(counted("failed", failed));
  if (wait) parts.push(counted("waits", wait));
  if (passed) parts.push(counted("passed", passed));
  const text = parts.join(" ");
  if (sum.textContent !== text) sum.textContent = text;
  clear.hidden = busy > 0;
  if (!busy) {
    if (total) desk.say(text);
    if (!list.childElementCount && !passed) forget();
  }
};
const forget = () => {
  total = added = known = failed = passed = opening = shown = 0;
  batch = form.dataset.import ?? "";
};
clear.addEventListener("click", () => { list.replaceChildren(); forget(); tell(); });

// ---- choosing
const plain = (files, folder = "") => [...files].map((file) => ({ file, folder }));
const isMeant = (file) => !file.name.startsWith(".") && (file.type.startsWith("image/") || /\.(jpe?g|png|webp|gif|tiff?|bmp|hei[cf]|avif|zip)$/i.test(file.name));
const fromFolder = (found) => {
  const meant = found.filter(({ file, folder }) => isMeant(file) && !/(^|\/)(\.|__MACOSX)/.test(folder));
  passed += found.length - meant.length;
  return meant;
};
input.addEventListener("change", () => { add(plain(input.files)); input.value = ""; });
folderInput.addEventListener("change", () => {
  add(fromFolder([...folderInput.files].map((file) => ({ file, folder: file.webkitRelativePath.split("/").slice(0, -1).join("/") }))));
  folderInput.value = "";
});
form.addEventListener("submit", (event) => event.preventDefault());

// ---- folders that are dropped are walked through; a browser gives a hundred of their entries at a time
const walk = async (entry, folder, found) => {
  if (entry.isFile) {
    found.push({ file: await new Promise((resolve, reject) => { entry.file(resolve, reject); }), folder });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => { reader.readEntries(resolve, reject); });
    if (!some.length) return;
    for (const one of some) await walk(one, folder ? `${folder}/${entry.name}` : entry.name, found);
  }
};
const dropped = async (transfer) => {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) { add(plain(transfer.files)); return; }
  const singles = [], inside = [];
  for (const entry of entries) {
    try { await walk(entry, "", entry.isDirectory ? inside : singles); } catch { passed += 1; } // it cannot be read
  }
  add([...singles, ...fromFolder(inside)]);
};

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
  dropped(event.dataTransfer);
});
addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (!files.length || event.target.closest?.("textarea, input:not([type=file])")) return;
  event.preventDefault();
  add(plain(files));
});
addEventListener("beforeunload", (event) => { if (inWork.size || queue.length || announcing) event.preventDefault(); });
})();
