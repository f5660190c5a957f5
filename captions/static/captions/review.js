// The review desk: a decision shows the next picture at once and is sent behind it. What the server refuses comes back.
(() => {
"use strict";
const { desk } = window;
const root = document.documentElement;
const box = document.getElementById("desk");
const film = document.getElementById("film");
const dialog = document.getElementById("keys");
const undoForm = document.getElementById("undo");
const says = box.dataset;
const RENEW = 30000, IDLE = 600000, POLL = 4000, TRIES = [0, 700, 2000, 4000], FILM = 5, RECENT = 20;
const token = () => undoForm.elements.csrfmiddlewaretoken.value;
const words = (name, number) => (says[name] ?? "").replace("NUMBER", number);

// ---- one picture: its image and its slip, made by the server, kept by us
const turnOf = (node, strip) => {
  const turn = { id: node.dataset.image, number: node.dataset.number, img: node.querySelector(".mat img"), slip: node.querySelector(".slip"), strip };
  turn.form = turn.slip.querySelector("[data-turn]");
  return turn;
};
const read = (html) => {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return document.importNode(template.content.firstElementChild, true);
};
const first = document.getElementById("turn");
const mat = first.querySelector(".mat") ?? Object.assign(document.createElement("figure"), { className: "mat", hidden: true });
mat.dataset.zoom = "";
let queue = [], current = null, done = [], past = [];
const lookup = (id) => film.querySelector(`[data-film="${CSS.escape(id)}"]`);
if (first.dataset.image) current = turnOf(first, lookup(first.dataset.image));
let slip = current ? current.slip : first.firstElementChild;
if (!mat.parentElement) first.prepend(mat); // it stays the same element, or full screen would end with every picture

const show = (turn) => {
  current = turn;
  const fresh = turn ? turn.slip : document.getElementById("nothing").content.firstElementChild.firstElementChild.cloneNode(true);
  if (turn) mat.replaceChildren(turn.img);
  if (!turn && document.fullscreenElement) document.exitFullscreen();
  mat.hidden = !turn;
  document.dispatchEvent(new Event("desk:turn"));
  slip.replaceWith(fresh);
  slip = fresh;
  box.dataset.current = turn ? turn.id : "";
  writeUndo();
  drawFilm();
  const typing = turn && doing() === "edit" && slip.querySelector("textarea");
  scrollTo(0, 0); // on a phone the person has scrolled down to the drafts of the picture before
  (typing || slip.querySelector("#slip-h"))?.focus({ preventScroll: true });
};
// All are fetched when they arrive, and the next two decoded while this one is looked at: a decision must never wait for
// a picture. Decoding all at once would take the time of the key that is pressed just then.
const ready = async () => {
  await painted();
  for (const turn of queue.slice(0, 2)) await turn.img.decode().catch(() => {});
};
const next = () => {
  show(queue.shift() ?? null);
  ready();
};
const setAside = (turn) => {
  if (current) queue.unshift(current);
  queue = queue.filter((one) => one !== turn);
  show(turn);
};

// ---- film, progress, pace
const drawFilm = () => {
  film.querySelector("[aria-current]")?.removeAttribute("aria-current");
  // From the end, and only what stands in another place: moving all frames would lay the strip out anew at every key.
  let after = null;
  for (const turn of [current, ...queue].filter(Boolean).reverse()) {
    if (turn.strip.parentElement !== film || turn.strip.nextElementSibling !== after) film.insertBefore(turn.strip, after);
    after = turn.strip;
  }
  current?.strip.querySelector("a").setAttribute("aria-current", "true");
  const before = [...film.children].indexOf(current?.strip ?? queue[0]?.strip);
  for (let extra = (before < 0 ? film.children.length : before) - FILM; extra > 0; extra--) film.firstElementChild.remove();
  const here = current?.strip;
  // Move the strip only: scrollIntoView would also scroll the page and hide the picture on a phone.
  if (here) film.scrollLeft = here.offsetLeft - (film.clientWidth - here.offsetWidth) / 2;
};
const mark = (turn, look) => {
  const dot = turn.strip.querySelector(".dot");
  dot.className = `dot ${look}`;
  dot.parentElement.querySelector(".unseen").textContent = { ok: says.saysApproved, no: says.saysRejected, draft: says.saysDraft }[look];
};
let count = Number(says.done), left = Number(says.left), times = says.times ? says.times.split(",").map(Number) : [];
const drawProgress = () => {
  const all = count + left;
  const bar = document.getElementById("progress");
  bar.max = Math.max(1, all);
  bar.value = count;
  document.getElementById("far").textContent = says.saysFar.replace("DONE", count).replace("ALL", all) + (says.counted ? "" : "+");
  const recent = times.slice(-RECENT);
  const minutes = (recent.at(-1) - recent[0]) / 60000;
  document.getElementById("pace").textContent = recent.length > 1 ? says.saysPace.replace("PACE", Math.round((recent.length - 1) / Math.max(minutes, 1 / 60))) : "";
  const tally = document.querySelector("#tally .tally");
  if (tally && says.counted) { tally.hidden = !left; tally.firstChild.textContent = left; }
};
const counted = (by) => {
  count += by;
  left = Math.max(0, left - by);
  if (by > 0) times.push(Date.now()); else times.pop();
  drawProgress();
};

// ---- sending: one after the other, again when the desk does not answer, and never the same words lost
const pending = [];
let busy = false;
const send = (address, body) => new Promise((resolve, reject) => {
  pending.push({ address, body, resolve, reject });
  work();
});
// The next picture first: on one machine the server would else take the time in which the browser paints it.
const painted = () => new Promise((go) => {
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(go)));
  setTimeout(go, 200); // a hidden page paints nothing
});
const work = async () => {
  if (busy) return;
  busy = true;
  while (pending.length) {
    await painted();
    const { address, body, resolve, reject } = pending[0];
    try {
      const answer = await post(address, body());
      pending.shift();
      resolve(answer);
    } catch (problem) {
      // All that waits behind would fail as well; the oldest comes back last, so that it is before the person first.
      if (problem.offline) for (const later of pending.splice(1).reverse()) later.reject(problem);
      pending.shift();
      reject(problem);
    }
    await null;
  }
  busy = false;
};
const post = async (address, body) => {
  for (const wait of TRIES) {
    if (wait) { desk.trouble(says.saysRetry); await new Promise((go) => setTimeout(go, wait)); }
    let answer;
    try {
      answer = await fetch(address, { method: "POST", body, headers: { Accept: "application/json" }, keepalive: true });
    } catch { continue; }
    if (answer.status >= 500 || answer.status === 429) continue;
    desk.trouble("");
    if (answer.status === 204) return {};
    if (!answer.headers.get("Content-Type")?.startsWith("application/json")) throw { code: "", words: says.saysLogin };
    const told = await answer.json();
    if (!answer.ok) throw told;
    return told;
  }
  desk.trouble("");
  throw { code: "", words: says.saysOffline, offline: true };
};
const idle = () => new Promise((go) => { const look = () => (pending.length || busy ? setTimeout(look, 20) : go()); look(); });
const common = (body) => {
  body.set("csrfmiddlewaretoken", token());
  body.set("order", says.order);
  if (says.album) body.set("album", says.album);
  return body;
};

// ---- deciding
const complain = (turn, problem) => {
  turn.slip.querySelector(".wrong")?.remove();
  const wrong = document.createElement("div");
  wrong.className = "wrong";
  wrong.setAttribute("role", "alert");
  const said = document.createElement("p");
  said.append(Object.assign(document.createElement("strong"), { textContent: problem.words }));
  const more = Object.assign(document.createElement("p"), { className: "prov" });
  more.append(Object.assign(document.createElement("a"), { href: `/images/${turn.id}/`, textContent: says.saysOpen }));
  if (problem.code) more.append(`. ${says.saysCode} `, Object.assign(document.createElement("code"), { textContent: problem.code }));
  wrong.append(said, more);
  turn.form.before(wrong);
};
const decide = (kind, reason = "") => {
  const turn = current;
  if (!turn) return;
  if (kind === "edit" && !turn.form.elements.text.value.trim()) { turn.form.elements.text.focus(); return; }
  const address = turn.form.getAttribute("action");
  const body = new FormData(turn.form);
  body.set("decision", kind);
  if (reason) body.set("reason", reason);
  if (kind !== "edit") body.delete("text");
  const step = { turn, kind, id: "" };
  // The mark of what was seen is read when it is sent: an undo before it in the queue makes a new one.
  step.sent = send(address, () => { body.set("seen", turn.form.elements.seen.value); return body; });
  step.sent.then((answer) => { step.id = answer.decision; }, (problem) => comeBack(step, problem));
  turn.slip.querySelector(".wrong")?.remove();
  past.push(step);
  done.push(turn.id);
  mark(turn, kind === "reject" ? "no" : "ok");
  close(turn);
  next();
  counted(1);
  desk.say(words({ approve: "saysApprove", edit: "saysEdit", reject: "saysReject" }[kind], turn.number));
  fill();
};
const comeBack = (step, problem) => {
  const { turn } = step;
  refusals++;
  past = past.filter((one) => one !== step);
  done = done.filter((id) => id !== turn.id);
  mark(turn, "draft");
  counted(-1);
  if (step.kind === "edit") open("edit", turn);
  complain(turn, problem);
  // Nobody is torn away from words they are typing: it comes next then.
  if (current && doing() === "edit") { queue.unshift(turn); drawFilm(); desk.trouble(`${turn.number}: ${problem.words}`); }
  else setAside(turn);
};
const skip = () => {
  const turn = current;
  if (!turn) return;
  const body = common(new FormData());
  send(turn.form.querySelector("[name=skip]").getAttribute("formaction"), () => body).catch((problem) => desk.trouble(problem.words));
  done.push(turn.id); // not handed out again by what is under way already
  idle().then(() => { done = done.filter((id) => id !== turn.id); fill(); });
  turn.strip.remove();
  next();
  desk.say(words("saysSkip", turn.number));
  fill();
};

// ---- undo, as often as one likes
const lastUndo = () => past.at(-1);
const writeUndo = () => {
  const step = lastUndo();
  const text = step ? words({ approve: "undoApprove", edit: "undoEdit", reject: "undoReject" }[step.kind], step.turn.number) : undoForm.elements.decision.value ? undoForm.querySelector("[data-undo-words]").dataset.first : "";
  document.querySelectorAll("[data-undo-words]").forEach((one) => { one.textContent = text; });
  document.querySelectorAll("[data-undo]").forEach((one) => { one.hidden = !text; });
  undoForm.hidden = !text;
};
const undo = () => {
  const step = past.pop();
  if (step) undoOurs(step); else undoEarlier();
};
const undoOurs = (step) => {
  const { turn } = step;
  done = done.filter((id) => id !== turn.id);
  mark(turn, "draft");
  counted(-1);
  setAside(turn);
  desk.say(words("saysUndone", turn.number));
  const body = common(new FormData());
  send(says.urlUndo, () => { body.set("decision", step.id); return body; }).then(
    (answer) => { renewSeen(turn, answer); },
    (problem) => { if (step.id) complain(turn, problem); }, // else the decision itself came back, with its own reason
  );
};
const renewSeen = (turn, answer) => {
  if (!answer.turn) { complain(turn, { words: says.saysLost }); return; }
  turn.form.elements.seen.value = read(answer.turn.turn).querySelector("[name=seen]").value;
};
const undoEarlier = () => {
  const named = undoForm.elements.decision.value;
  if (!named) return;
  undoForm.elements.decision.value = "";
  writeUndo();
  const body = common(new FormData());
  body.set("decision", named);
  send(says.urlUndo, () => body).then((answer) => {
    if (!answer.turn) return;
    const turn = arrive(answer.turn);
    mark(turn, "draft");
    counted(-1);
    setAside(turn);
    desk.say(words("saysUndone", turn.number));
  }, (problem) => desk.trouble(problem.words));
};

// ---- the next pictures, fetched before they are needed
let asking = false, asked = 0, refusals = 0, touched = performance.now();
const arrive = (told) => {
  const before = lookup(told.id);
  const strip = read(told.film);
  before?.replaceWith(strip);
  return turnOf(read(told.turn), strip);
};
const ask = async () => {
  if (asking) return;
  asking = true;
  asked = performance.now();
  const body = common(new FormData());
  const held = [current, ...queue].filter(Boolean).map((turn) => turn.id);
  held.forEach((id) => body.append("keep", id));
  done.slice(-60).forEach((id) => body.append("besides", id));
  body.set("n", Math.max(0, Number(says.ahead) - queue.length));
  const unsent = pending.length + refusals; // what was refused since then is still to be decided
  const before = count; // a decision made while this is on its way may or may not be in the server's number
  try {
    const answer = await fetch(says.urlNext, { method: "POST", body, headers: { Accept: "application/json" } });
    if (answer.ok && answer.headers.get("Content-Type")?.startsWith("application/json")) take(await answer.json(), count === before ? Math.max(0, unsent - refusals) : null);
  } catch { /* asked again before long */ }
  asking = false;
};
const take = (answer, unsent) => {
  const lost = new Set(answer.lost);
  queue = queue.filter((turn) => { if (lost.has(turn.id)) turn.strip.remove(); return !lost.has(turn.id); });
  const here = new Set([current?.id, ...queue.map((turn) => turn.id), ...done]);
  for (const told of answer.turns) if (!here.has(told.id)) queue.push(arrive(told));
  if (current && lost.has(current.id)) {
    if (doing() === "edit") complain(current, { code: "with_another_reviewer", words: says.saysLost });
    else { current.strip.remove(); next(); }
  }
  if (unsent !== null) left = Math.max(0, answer.left - unsent);
  if (!current && queue.length) next(); else drawFilm();
  drawProgress();
  ready();
};
const fill = async () => {
  await painted();
  if (queue.length < Number(says.ahead) / 2 && performance.now() - asked > 250) ask();
};
setInterval(() => {
  const now = performance.now();
  // A page that nobody looks at, or that nobody touched for long, lets its pictures go to others.
  if (document.hidden || now - touched > IDLE) return;
  if (now - asked > (current && queue.length > 1 ? RENEW : POLL)) ask();
}, 1000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) ask(); });
for (const kind of ["keydown", "pointerdown"]) addEventListener(kind, () => {
  const now = performance.now();
  if (now - touched > IDLE) ask();
  touched = now;
}, { capture: true, passive: true });
addEventListener("pageshow", (event) => { if (event.persisted) ask(); });
addEventListener("pagehide", () => {
  const body = common(new FormData());
  [current, ...queue].filter(Boolean).forEach((turn) => body.append("keep", turn.id));
  navigator.sendBeacon(says.urlLeave, body);
});
addEventListener("beforeunload", (event) => {
  const typed = current && doing() === "edit" && current.form.elements.text.dataset.typed;
  if (pending.length || typed) event.preventDefault();
});
const leave = () => { idle().then(() => location.assign(document.querySelector("[data-leave]").href)); };

// ---- editor and reasons, in place
const doing = (turn = current) => turn?.slip.querySelector("[data-doing]:not([hidden])")?.dataset.doing ?? "";
const chosen = (turn) => turn.form.querySelector("[name=caption]:checked");
const open = (what, turn = current) => {
  if (!turn) return;
  if (turn === current && document.fullscreenElement) document.exitFullscreen();
  const field = turn.form.elements.text;
  if (what === "edit" && !field.dataset.typed) {
    field.value = chosen(turn)?.nextElementSibling.querySelector(".words").textContent ?? field.value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    delete field.dataset.typed;
  }
  turn.form.querySelectorAll("[data-doing]").forEach((one) => { one.hidden = one.dataset.doing !== what; });
  turn.slip.querySelectorAll("[data-choose]").forEach((one) => { one.hidden = what === "edit"; });
  turn.form.querySelector("[data-verdict]").hidden = true;
  if (turn === current) (what === "edit" ? field : turn.form.querySelector("[data-reason]")).focus();
};
const close = (turn = current) => {
  if (!turn) return;
  turn.form.querySelectorAll("[data-doing]").forEach((one) => { one.hidden = true; });
  turn.slip.querySelectorAll("[data-choose], [data-verdict]").forEach((one) => { one.hidden = false; });
  if (turn === current) turn.slip.querySelector("#slip-h").focus({ preventScroll: true });
};
document.addEventListener("input", (event) => { if (event.isTrusted && event.target.matches(".turn-form textarea")) event.target.dataset.typed = "yes"; });
document.addEventListener("change", (event) => {
  if (!event.target.matches(".alts input")) return;
  const note = event.target.form;
  note.querySelector(".prov [data-length]").textContent = event.target.dataset.length;
  note.querySelector(".prov [data-says]").textContent = event.target.dataset.says;
});
const pick = (number) => {
  const radio = current?.form.querySelectorAll(".alts input")[number - 1];
  if (!radio) return false;
  radio.checked = true;
  radio.dispatchEvent(new Event("change", { bubbles: true }));
  radio.focus();
  return true;
};

// ---- forms and buttons do the same as keys
document.addEventListener("submit", (event) => {
  const by = event.submitter;
  if (event.target === undoForm) { event.preventDefault(); undo(); return; }
  if (!event.target.matches("[data-turn]")) return;
  event.preventDefault();
  if (by?.name === "skip") skip();
  else if (by?.name === "reason") decide("reject", by.value);
  else decide(by?.hasAttribute("data-save") || doing() === "edit" ? "edit" : "approve");
});
document.addEventListener("click", (event) => {
  const at = (selector) => event.target.closest(selector);
  const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  if (at("[data-open-keys]")) dialog.showModal();
  else if (at("[data-close-keys]")) dialog.close();
  else if (at("[data-open]")) { event.preventDefault(); open(at("[data-open]").dataset.open); }
  else if (at("[data-close]")) { event.preventDefault(); close(); }
  else if (at("[data-leave]") && plain) { event.preventDefault(); leave(); }
  else if (at("[data-film] a") && plain) {
    const turn = queue.find((one) => one.strip === at("[data-film]"));
    if (turn) { event.preventDefault(); setAside(turn); }
    else if (at("[data-film]") === current?.strip) event.preventDefault();
  }
});

// ---- keys
const inField = (target) => target.closest?.("textarea, select, input:not([type=radio], [type=checkbox]), [contenteditable]");
let wasG = 0;
const ACTS = {
  a: () => decide("approve"), e: () => open("edit"), x: () => open("reject"), s: skip, z: undo,
};
const press = (key) => {
  if (wasG && performance.now() - wasG < 1500 && key === "p") { leave(); return true; }
  wasG = key === "g" ? performance.now() : 0;
  if (wasG) return true;
  if (key === "?") { dialog.showModal(); return true; }
  if (/^[1-5]$/.test(key)) {
    if (doing() !== "reject") return pick(Number(key));
    const button = current.form.querySelector(`[data-reason="${key}"]`);
    if (button) decide("reject", button.value);
    return Boolean(button);
  }
  if (doing() === "reject" && key !== "z") return false;
  if (!ACTS[key]) return false;
  ACTS[key]();
  return true;
};
document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.defaultPrevented || dialog.open) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && doing() === "edit") { event.preventDefault(); decide("edit"); return; }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    if (document.querySelector("details.menu[open]") || document.fullscreenElement) return;
    event.preventDefault();
    if (doing()) close(); else leave();
    return;
  }
  if (event.key === " " && event.target.matches?.("[data-open]")) { event.preventDefault(); event.target.click(); return; }
  if (inField(event.target) || event.key.length !== 1 || root.dataset.keys === "off") return;
  // A key that is held down would decide picture after picture that nobody looked at.
  if (event.repeat) { event.preventDefault(); return; }
  if (press(event.key.toLowerCase())) event.preventDefault();
});

undoForm.querySelector("[data-undo-words]").dataset.first = undoForm.querySelector("[data-undo-words]").textContent;
box.dataset.current = current?.id ?? "";
writeUndo();
drawFilm();
drawProgress();
if (current && !document.activeElement?.matches("textarea, button")) slip.querySelector("#slip-h").focus({ preventScroll: true });
ask();
})();
