// The gallery: more pictures before the end is reached, the place kept on the way, colours until a picture is there.
(() => {
"use strict";
const sheet = document.getElementById("sheet");
if (!sheet) return;
const AHEAD = "1200px 0px";
const PLACE = "desk:place";
const frames = () => [...sheet.querySelectorAll(":scope > .frame")];

// ---- more: fetched while the reader is still some screens away; the link stays for whoever has no script
let watched = null;
const near = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) entry.target.click();
}, { rootMargin: AHEAD });
const watch = () => {
  const more = sheet.querySelector("#more a");
  if (more === watched) return;
  if (watched) near.unobserve(watched);
  watched = more;
  if (more) near.observe(more);
};
watch();

// Pictures that are put in above would push away what is being looked at: the page moves with them.
let anchor = null, anchorTop = 0;
document.addEventListener("htmx:beforeSwap", (event) => {
  anchor = event.detail.target.id === "newer" ? atTop() : null;
  anchorTop = anchor?.getBoundingClientRect().top ?? 0;
});
document.addEventListener("htmx:afterSwap", () => {
  watch();
  blur();
  if (!anchor) return;
  hold(anchor, anchorTop);
  anchor = null;
});
// Twice: what comes into sight gets its true height only then.
const hold = (frame, at) => {
  const move = () => scrollBy({ top: frame.getBoundingClientRect().top - at, behavior: "instant" });
  move();
  requestAnimationFrame(move);
};
addEventListener("scroll", () => {
  if (scrollY < 800) sheet.querySelector("#newer a")?.click();
}, { passive: true });

// ---- the place: the address always names the picture at the top, so that going back and loading again come here
const line = () => document.querySelector(".bar")?.getBoundingClientRect().bottom ?? 0;
const atTop = () => frames().find((frame) => frame.getBoundingClientRect().bottom > Math.max(0, line()) + 8);
let timer = 0;
const note = () => {
  timer = 0;
  const frame = atTop();
  if (!frame) return;
  const all = frames();
  const before = all[all.indexOf(frame) - 1];
  const address = new URL(location.href);
  if (!before && sheet.querySelector("#newer")) return;
  address.searchParams.delete("before");
  if (before) address.searchParams.set("after", before.dataset.mark); else address.searchParams.delete("after");
  if (address.href !== location.href) history.replaceState(history.state, "", address);
  sessionStorage.setItem(PLACE, JSON.stringify({ address: address.href, image: frame.dataset.image, top: frame.getBoundingClientRect().top }));
};
addEventListener("scroll", () => { if (!timer) timer = setTimeout(note, 200); }, { passive: true });
addEventListener("pagehide", note);
const restore = () => {
  let place = null;
  try { place = JSON.parse(sessionStorage.getItem(PLACE)); } catch { /* somebody else's words */ }
  const [navigation] = performance.getEntriesByType("navigation");
  if (!place || place.address !== location.href || navigation?.type === "navigate" && !location.search) return;
  const frame = document.getElementById(`card-${place.image}`);
  if (!frame) return;
  history.scrollRestoration = "manual";
  hold(frame, place.top);
};
restore();

// ---- a range: the box that is pressed with Shift, and all from the last one
let last = null;
sheet.addEventListener("click", (event) => {
  const box = event.target.closest(".pick input");
  if (!box) return;
  if (event.shiftKey && last?.isConnected && last !== box) {
    const boxes = [...sheet.querySelectorAll(".pick input")];
    const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((one, other) => one - other);
    for (const between of boxes.slice(from, to + 1)) between.checked = box.checked;
    box.dispatchEvent(new Event("change", { bubbles: true }));
  }
  last = box;
});

// ---- colours: a blurhash stands where the picture will be
const SIDE = 24;
const blur = () => {
  for (const image of sheet.querySelectorAll("img[data-blurhash]")) {
    const hash = image.dataset.blurhash;
    delete image.dataset.blurhash;
    if (image.complete || !window.blurhash?.isBlurhashValid(hash).result) continue;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = SIDE;
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(SIDE, SIDE);
    pixels.data.set(window.blurhash.decode(hash, SIDE, SIDE));
    context.putImageData(pixels, 0, 0);
    image.classList.add("blurred");
    image.style.backgroundImage = `url(${canvas.toDataURL()})`;
    image.addEventListener("load", () => { image.style.backgroundImage = ""; image.classList.remove("blurred"); }, { once: true });
  }
};
blur();
})();
