// Cards, and the page of one picture: they change by themselves, and one letter is one act. One file, for a page loads both.

// Pictures that change by themselves: server-sent events, and polling while there are none.
(() => {
"use strict";
const POLL = 3000, CALM = 10000, GATHER = 120;
const OPEN = ["queue", "wait", "run"];
const { desk } = window;
const shown = () => [...document.querySelectorAll("[data-image][data-look]")];
const open = () => shown().filter((slot) => slot.hasAttribute("data-open")).map((slot) => slot.dataset.image);

// ---- gathering: a burst of events becomes one request
const wanted = new Set();
let timer = 0, busy = false;
const want = (ids) => {
  const here = new Set(shown().map((slot) => slot.dataset.image));
  ids.filter((id) => here.has(id)).forEach((id) => wanted.add(id));
  if (wanted.size && !timer && !busy) timer = setTimeout(take, GATHER);
};
const take = async () => {
  timer = 0;
  busy = true;
  const ids = [...wanted].slice(0, 60);
  ids.forEach((id) => wanted.delete(id));
  try { await desk.fetch(ids); } catch { /* the next round asks again */ }
  busy = false;
  if (wanted.size) timer = setTimeout(take, GATHER);
};
document.addEventListener("desk:look", (event) => want([event.detail.image]));

// ---- a draft that has just arrived is washed once and said once
desk.came = (before, after) => {
  if (!OPEN.includes(before.dataset.look) || OPEN.includes(after.dataset.look)) return;
  const words = after.querySelector(".words:not(.plain), .caption")?.textContent.trim() ?? "";
  if (after.dataset.look === "draft") {
    after.classList.add("came");
    desk.arrived(desk.words("arrived", { number: after.dataset.number, words }));
  } else if (after.dataset.look === "failed") {
    desk.arrived(desk.words("failed", { number: after.dataset.number, words }));
  }
};

// ---- events
let source = null, online = false, asked = 0;
const connect = () => {
  if (source || document.hidden || !window.EventSource) return;
  source = new EventSource("/events/");
  const again = () => { online = true; want(open()); };
  source.addEventListener("open", (event) => { if (event.data) again(); });
  source.addEventListener("gap", again);
  source.addEventListener("offline", () => { online = false; });
  source.addEventListener("image", (event) => { online = true; want([JSON.parse(event.data).image]); });
  source.onerror = () => { online = false; };
};
// A hidden page gives its connection back: a browser opens six to one address, and uploads need them too.
const disconnect = () => { source?.close(); source = null; online = false; };
document.addEventListener("visibilitychange", () => {
  if (document.hidden) { disconnect(); return; }
  connect();
  want(open());
});
addEventListener("pagehide", disconnect);
connect();

// ---- polling: often while events are off, else now and then, because places in the queue move without an event
setInterval(() => {
  if (document.hidden) return;
  if (source?.readyState === 2) disconnect();
  connect();
  const now = performance.now();
  if (now - asked < (online ? CALM : POLL)) return;
  asked = now;
  want(open());
}, 1000);
})();

// Keys: one letter an act. Dead inside fields, and off when the person turned them off.
(() => {
"use strict";
const root = document.documentElement;
const { desk } = window;
const dialog = document.getElementById("keys");
const frames = () => [...document.querySelectorAll("#sheet > .frame")];
const current = () => document.querySelector("#sheet > .frame[aria-current]");
const inField = (target) => target.closest?.("textarea, select, input:not([type=radio], [type=checkbox], [type=range]), [contenteditable]");

// ---- the picture you are on
const stand = (frame) => {
  const before = current();
  if (before === frame) return;
  before?.removeAttribute("aria-current");
  frame?.setAttribute("aria-current", "true");
};
const go = (frame) => {
  if (!frame) return;
  stand(frame);
  frame.querySelector(".print").focus();
  frame.scrollIntoView({ block: "nearest" });
};
const step = (by, extend = false) => {
  const all = frames();
  if (!all.length) return;
  const at = all.indexOf(current());
  if (extend && at >= 0) pick(all[at], true);
  const to = all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + by))];
  if (extend) pick(to, true);
  go(to);
};
document.addEventListener("focusin", (event) => {
  const frame = event.target.closest("#sheet > .frame");
  if (frame) stand(frame);
});

// ---- selecting
const boxes = () => [...document.querySelectorAll(".pick input")];
const pick = (frame, on) => {
  const box = frame?.querySelector(".pick input");
  if (!box) return;
  box.checked = on ?? !box.checked;
  count();
};
const count = () => {
  const words = document.getElementById("bulk-count");
  if (!words) return;
  const number = boxes().filter((box) => box.checked).length;
  words.textContent = desk.words("selected", { number });
};
document.addEventListener("change", (event) => { if (event.target.closest(".pick")) count(); });
document.getElementById("bulk-none")?.addEventListener("click", () => { boxes().forEach((box) => { box.checked = false; }); count(); });
addEventListener("pageshow", count);

// ---- after a decision focus goes to the next picture
document.addEventListener("desk:done", (event) => {
  const { image, act } = event.detail;
  const lost = !document.activeElement || document.activeElement === document.body;
  if (desk.page) { if (lost) document.getElementById("words-h")?.focus({ preventScroll: true }); return; }
  const frame = document.getElementById(`card-${image}`);
  if (!frame) return;
  const moves = ["approve", "reject", "edit", "write"].includes(act);
  if (moves) go(frames()[frames().indexOf(frame) + 1] ?? frame);
  else if (lost) go(frame);
});

// ---- pressing
let wasG = 0;
const press = (key, scope) => {
  const control = [...scope.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].find((one) => one.checkVisibility({ visibilityProperty: true }));
  control?.click();
  return Boolean(control);
};
const digit = (key, scope) => {
  if (press(key, scope)) return true;
  const radio = document.querySelectorAll(".alts input")[Number(key) - 1];
  if (!radio) return false;
  radio.checked = true;
  radio.dispatchEvent(new Event("change", { bubbles: true }));
  radio.focus();
  return true;
};
const openKeys = () => { if (dialog && !dialog.open) dialog.showModal(); };
document.addEventListener("click", (event) => {
  if (event.target.closest("[data-open-keys]")) openKeys();
  if (event.target.closest("[data-close-keys]")) dialog.close();
});

const act = (event) => {
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const scope = desk.page ? document.getElementById("main") : current();
  if (wasG && performance.now() - wasG < 1500 && (key === "p" || key === "r")) { wasG = 0; location.assign(key === "p" ? "/" : "/review/"); return true; }
  wasG = key === "g" ? performance.now() : 0;
  if (wasG) return true;
  if (key === "?") { openKeys(); return true; }
  if (key === "z") return press("z", document.getElementById("main")) && desk.page ? true : undoLast();
  if (desk.page && key === "h") { document.getElementById("versions-h")?.focus(); return true; }
  if (!desk.page && (key === "j" || key === "k")) { step(key === "j" ? 1 : -1, event.shiftKey); return true; }
  if (!scope) return false;
  if (/^[1-5]$/.test(key)) return digit(key, scope);
  return /^[a-z]$/.test(key) && press(key, scope);
};
const undoLast = () => { const button = document.querySelector("#toast [data-undo] button"); button?.click(); return Boolean(button); };

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (dialog?.open || inField(event.target)) return;
  if (event.key === "Escape" && boxes().some((box) => box.checked)) { boxes().forEach((box) => { box.checked = false; }); count(); return; }
  if (arrows(event)) { event.preventDefault(); return; }
  if (event.key === " " && onPicture(event)) { event.preventDefault(); pick(current()); return; }
  if (event.key === "Enter" && current() && event.target === document.body) { current().querySelector(".print").click(); return; }
  if (event.key.length !== 1 || root.dataset.keys === "off") return;
  if (act(event)) event.preventDefault();
});
// Arrows move among pictures once one of them has the focus; before that they scroll, as everywhere.
const arrows = (event) => {
  if (desk.page || !onPicture(event)) return false;
  const wide = Math.max(1, frames().filter((frame) => frame.offsetTop === frames()[0].offsetTop).length);
  const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: wide, ArrowUp: -wide }[event.key];
  if (!by) return false;
  step(by, event.shiftKey);
  return true;
};
const onPicture = (event) => Boolean(event.target.closest?.("#sheet > .frame .print"));
})();
