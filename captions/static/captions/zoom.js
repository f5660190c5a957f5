// The picture nearer: by buttons, keys, the wheel or a click. It scrolls inside its place, and a mouse can drag it.
(() => {
"use strict";
const { desk } = window;
const root = document.documentElement;
const MOST = 4, STEP = 0.5, CLICKED = 2, STILL = 4;
let scale = 1, fitted = null;
const place = () => document.querySelector("[data-zoom]");
const picture = () => place()?.hidden ? null : place()?.querySelector("img");

const say = () => {
  const words = document.getElementById("zoomed");
  if (words) words.textContent = new Intl.NumberFormat(desk.language, { style: "percent", maximumFractionDigits: 0 }).format(scale);
};
// What is under the point (window coordinates; without one the middle of the place) stays under it.
const set = (wanted, point = null) => {
  const frame = place(), image = picture();
  if (!image) return;
  const to = Math.min(MOST, Math.max(1, wanted));
  if (to === scale) return;
  const seen = frame.getBoundingClientRect(), before = image.getBoundingClientRect();
  const { x, y } = point ?? { x: seen.x + seen.width / 2, y: seen.y + seen.height / 2 };
  const [across, down] = [(x - before.x) / before.width, (y - before.y) / before.height];
  if (scale === 1) {
    fitted = { width: before.width, height: before.height };
    frame.style.height = `${seen.height}px`; // else the page below would jump with every step
  }
  scale = to;
  if (scale === 1) { clear(); return; }
  frame.classList.add("near");
  frame.tabIndex = 0;
  Object.assign(image.style, { width: `${fitted.width * scale}px`, height: `${fitted.height * scale}px`, maxWidth: "none", maxHeight: "none" });
  const now = image.getBoundingClientRect();
  frame.scrollBy({ left: now.x + across * now.width - x, top: now.y + down * now.height - y, behavior: "instant" });
  say();
};
const clear = () => {
  scale = 1;
  const frame = place();
  frame?.classList.remove("near", "held");
  if (frame) { frame.tabIndex = -1; frame.style.height = ""; } // without any, a frame in focus would lose it
  const image = frame?.querySelector("img");
  if (image) Object.assign(image.style, { width: "", height: "", maxWidth: "", maxHeight: "" });
  say();
};
const full = () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else if (picture()) place().requestFullscreen?.().catch(() => {});
};
const ACTS = { "+": () => set(scale + STEP), "-": () => set(scale - STEP), 0: clear, f: full };
ACTS["="] = ACTS["+"]; // the same key without Shift

// A size that was fitted to another window, or to another picture, says nothing any more.
addEventListener("resize", () => { if (scale > 1) clear(); });
document.addEventListener("fullscreenchange", clear);
document.addEventListener("desk:turn", clear);
say();

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-zoom-act]");
  if (button) ACTS[button.dataset.zoomAct]();
});
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open], details.menu[open]")) return;
  if (event.target.closest?.("textarea, select, input:not([type=radio], [type=checkbox]), [contenteditable]")) return;
  if (event.key === "Escape" && scale > 1 && !document.fullscreenElement) { event.preventDefault(); clear(); return; }
  const act = ACTS[event.key.length === 1 ? event.key.toLowerCase() : ""];
  if (!act || root.dataset.keys === "off" || !picture()) return;
  event.preventDefault();
  act();
});
// The wheel alone scrolls; with Ctrl, and so with two fingers on a pad, it zooms.
document.addEventListener("wheel", (event) => {
  if (!event.ctrlKey || !place()?.contains(event.target)) return;
  event.preventDefault();
  const lines = event.deltaMode ? 16 : 1;
  set(scale * Math.exp(-event.deltaY * lines / 200), event);
}, { passive: false });

// ---- the mouse: a press that stays where it is comes nearer there, or goes back; one that moves drags. Fingers scroll.
let held = null;
document.addEventListener("pointerdown", (event) => {
  held = null;
  if (event.pointerType !== "mouse" || event.button || event.target !== picture()) return;
  held = { x: event.clientX, y: event.clientY, left: place().scrollLeft, top: place().scrollTop, moved: false };
});
document.addEventListener("pointermove", (event) => {
  if (!held) return;
  const [x, y] = [event.clientX - held.x, event.clientY - held.y];
  held.moved ||= Math.hypot(x, y) > STILL;
  if (!held.moved || scale === 1) return;
  place().classList.add("held");
  place().scrollTo({ left: held.left - x, top: held.top - y, behavior: "instant" });
});
document.addEventListener("pointerup", (event) => {
  if (held && !held.moved && event.target === picture()) { if (scale > 1) clear(); else set(CLICKED, { x: event.clientX, y: event.clientY }); }
  held = null;
  place()?.classList.remove("held");
});
document.addEventListener("dragstart", (event) => { if (event.target === picture()) event.preventDefault(); });
})();
