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
