// An import that is open: the files in sight and the sums, asked for while something may change.
(() => {
"use strict";
const EVERY = 2000, MOST = 60;
const place = document.getElementById("import");
const seen = new Set();
const eye = new IntersectionObserver((entries) => {
  for (const entry of entries) if (entry.isIntersecting) seen.add(entry.target); else seen.delete(entry.target);
}, { rootMargin: "200px" });
const watch = (from) => from.querySelectorAll?.(".arrival[data-open]").forEach((row) => eye.observe(row));
watch(document);
new MutationObserver((changes) => {
  for (const change of changes) {
    for (const node of change.removedNodes) if (seen.delete(node)) eye.unobserve(node);
    for (const node of change.addedNodes) if (node.matches?.(".arrival[data-open]")) eye.observe(node);
  }
}).observe(document.getElementById("arrivals") ?? place, { childList: true });

let busy = false;
const look = async () => {
  if (document.hidden || busy || !window.htmx) return;
  if (document.getElementById("import-sums").hasAttribute("data-over")) return;
  const query = new URLSearchParams({ show: place.dataset.show });
  [...seen].filter((row) => row.isConnected).slice(0, MOST).forEach((row) => query.append("id", row.dataset.file));
  busy = true;
  try { await htmx.ajax("GET", `${place.dataset.live}?${query}`, { source: "#news", swap: "none" }); } catch { /* the next round asks again */ }
  busy = false;
};
setInterval(look, EVERY);
document.addEventListener("desk:arrived", () => document.getElementById("import-sums").removeAttribute("data-over"));
// What is the same stays as it is: focus and screen readers are not disturbed.
const plain = (element) => { const copy = element.cloneNode(true); copy.removeAttribute("hx-swap-oob"); return copy.outerHTML; };
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const fresh = event.detail.fragment.firstElementChild;
  if (!fresh) return;
  const target = event.detail.target;
  const active = document.activeElement;
  const held = active !== document.body && target.contains(active) && /^(import|file)-/.test(target.id);
  if (held || plain(target) === plain(fresh)) event.detail.shouldSwap = false;
});
})();
