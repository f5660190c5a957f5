// What every page does: theme, menu, local times, copying, the guard that keeps the focused element in place.
(() => {
"use strict";
const root = document.documentElement;
const find = (selector, from = document) => from.querySelector(selector);
const desk = window.desk = {};

// ---- what scripts say by themselves, in the page's language
const words = JSON.parse(find("#script-words").textContent);
desk.words = (name, values = {}) => {
  const text = (values.number === 1 && words[`${name}One`]) || words[name];
  return text.replace(/\{(\w+)\}/g, (whole, key) => key in values ? String(values[key]) : whole);
};
// English words come with British dates: the day stands first, as in everything the server writes.
desk.language = root.lang === "en" ? "en-GB" : root.lang;

// ---- theme and keys: changed at once here, remembered by the server in a cookie
const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;

document.addEventListener("submit", (event) => {
  const form = event.target.closest("[data-preference]");
  if (!form || !event.submitter?.name) return;
  event.preventDefault();
  const body = new FormData(form, event.submitter);
  fetch(form.action, { method: "POST", body, headers: { "HX-Request": "true" }, keepalive: true }).catch(() => {});
  if (event.submitter.name === "theme") {
    root.dataset.theme = event.submitter.value;
    find(isDark() ? ".to-light" : ".to-dark", form)?.focus();
  }
  if (event.submitter.name === "keys") {
    if (event.submitter.value === "off") root.dataset.keys = "off"; else delete root.dataset.keys;
    find("#keys")?.close();
  }
});

// ---- menu: closes on Escape, on a click elsewhere, and when focus leaves it
document.addEventListener("click", (event) => {
  document.querySelectorAll("details.menu[open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
});
document.addEventListener("keydown", (event) => {
  const menu = find("details.menu[open]");
  if (event.key !== "Escape" || !menu) return;
  menu.open = false;
  find("summary", menu).focus();
});
document.addEventListener("focusin", (event) => {
  document.querySelectorAll("details.menu[open]").forEach((menu) => { if (!menu.contains(event.target)) menu.open = false; });
});

// ---- the search field, by a key; on narrow screens it has a page of its own
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || root.dataset.keys === "off") return;
  if (find("dialog[open]") || event.target.closest?.("textarea, select, input:not([type=radio], [type=checkbox], [type=range]), [contenteditable]")) return;
  const field = find("#q");
  if (!field) return;
  event.preventDefault();
  if (field.checkVisibility()) { field.focus(); field.select(); } else location.assign(field.form.action);
});

// ---- times: the server writes its own zone, the reader sees theirs
const day = (date) => new Intl.DateTimeFormat(desk.language, { day: "numeric", month: "short", year: "numeric" }).format(date);
const clock = (date) => new Intl.DateTimeFormat(desk.language, { hour: "2-digit", minute: "2-digit" }).format(date);
const localise = (time) => {
  const date = new Date(time.dateTime);
  if (Number.isNaN(date.getTime())) return;
  const text = day(date) === day(new Date()) ? clock(date) : `${day(date)}, ${clock(date)}`;
  if (time.textContent !== text) time.textContent = text;
  time.title = `${day(date)}, ${clock(date)}`;
};
const localiseAll = (from) => from.querySelectorAll("time[datetime]").forEach(localise);
localiseAll(document);
new MutationObserver((changes) => {
  for (const change of changes) for (const node of change.addedNodes) if (node.nodeType === 1) localiseAll(node);
}).observe(document.body, { childList: true, subtree: true });

// ---- narrow screens begin with the panel closed
document.querySelectorAll("details[data-wide-open]").forEach((details) => {
  if (matchMedia("(max-width: 47.99rem)").matches && !find(".wrong", details)) details.open = false;
});

// ---- what happened, said once: at most one message in five seconds, then a sum
const GAP = 5000;
let said = -GAP, waiting = [], timer = 0;
desk.arrived = (words) => {
  waiting.push(words);
  if (!timer) timer = setTimeout(() => {
    timer = 0;
    said = performance.now();
    desk.say(waiting.length === 1 ? waiting[0] : desk.words("arrivedMany", { number: waiting.length }));
    waiting = [];
  }, Math.max(0, said + GAP - performance.now()));
};
desk.say = (words) => { const news = find("#news"); if (news) news.textContent = words; };
desk.toast = (words) => { const toast = find("#toast"); if (toast) toast.textContent = words; };
desk.trouble = (words) => { const line = find("#trouble"); if (line) line.textContent = words; };

// ---- copying
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    desk.toast(desk.words("copied"));
  } catch {
    desk.trouble(desk.words("notCopied"));
  }
});

// ---- editors: length, saving, leaving
document.addEventListener("input", (event) => {
  const count = event.target.matches("textarea.caption") && find("[data-count]", event.target.form);
  if (count) count.textContent = event.target.value.length;
});
document.addEventListener("keydown", (event) => {
  const editor = event.target.closest?.("[data-editor], [data-reasons]");
  if (!editor) return;
  if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); desk.leave(editor); }
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    editor.requestSubmit(find("button.go", editor));
  }
}, true);
document.addEventListener("click", (event) => {
  const cancel = event.target.closest("[data-cancel]");
  if (!cancel || !window.htmx) return;
  event.preventDefault();
  desk.leave(cancel.closest("form"));
});
desk.leave = (editor) => {
  const id = editor.closest("[data-image]").dataset.image;
  desk.fetch([id], true).then(() => (find(`#card-${id} .print`) ?? find("#words-h"))?.focus({ preventScroll: true }));
};
document.addEventListener("htmx:afterSwap", (event) => {
  const field = find("[autofocus]", event.target);
  field?.focus();
});
// Words are mended or added to at their end more often than at their beginning.
const toEnd = (field) => {
  if (!field?.matches?.("textarea.caption") || field.dataset.begun) return;
  field.dataset.begun = "yes";
  field.setSelectionRange(field.value.length, field.value.length);
};
document.addEventListener("focusin", (event) => toEnd(event.target));
toEnd(document.activeElement);
// One editor at a time in one place: a second press of the key goes back to the one that is open.
document.addEventListener("htmx:beforeRequest", (event) => {
  const target = event.detail.target;
  const open = event.detail.requestConfig?.verb === "get" && /^(words|now)-/.test(target?.id ?? "") && find("[data-editor], [data-reasons]", target);
  if (!open) return;
  event.preventDefault();
  find("textarea, button", open)?.focus();
});

// ---- swapping: what comes by itself never replaces the element that has focus, nor an open editor
const late = new Set();
desk.came = (before, after) => {};
document.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  const fresh = fragment.firstElementChild;
  target.querySelectorAll("details[data-stay][open]").forEach(({ id }) => {  // what somebody unfolded stays unfolded
    fragment.querySelector(`#${CSS.escape(id)}`)?.setAttribute("open", "");
  });
  if (fresh?.hasAttribute("data-live")) {
    // A heading that focus was led to is no control: htmx puts focus back on its successor.
    const active = document.activeElement;
    const holdsFocus = active && active !== document.body && active.tabIndex >= 0 && target.contains(active);
    if (holdsFocus || find("[data-editor], [data-reasons]", target)) {
      event.detail.shouldSwap = false;
      const owner = target.closest("[data-image]");
      if (owner) late.add(owner.dataset.image);
      return;
    }
    // The same words again would only make screen readers and the wash start over.
    if (target.outerHTML === fresh.outerHTML) { event.detail.shouldSwap = false; return; }
  }
  if (fresh?.dataset.look) desk.came(target, fresh);
});
document.addEventListener("focusout", () => {
  if (!late.size) return;
  setTimeout(() => {
    const ids = [...late].filter((id) => !find(`#words-${CSS.escape(id)} :is([data-editor], [data-reasons])`));
    if (!ids.length) return;
    ids.forEach((id) => late.delete(id));
    desk.fetch(ids);
  }, 50);
});
document.addEventListener("htmx:oobAfterSwap", (event) => {
  const slot = event.target.matches?.("[data-alt]") ? event.target : null;
  if (!slot) return;
  const picture = find(`#card-${CSS.escape(slot.dataset.image)} .print img`) ?? find("#shown");
  if (picture && picture.alt !== slot.dataset.alt) picture.alt = slot.dataset.alt;
});

// ---- fetching the parts of pictures that are on this page
desk.page = find("#picture")?.dataset.image;
desk.fetch = (ids, force = false) => {
  if (!ids.length) return Promise.resolve();
  const query = new URLSearchParams(force ? { force: "1" } : {});
  if (desk.page) return htmx.ajax("GET", `/images/${desk.page}/live/?${query}`, { source: "#news", swap: "none" });
  ids.slice(0, 60).forEach((id) => query.append("id", id));
  const show = find("#sheet")?.dataset.page;
  if (show) query.set("show", show);
  return htmx.ajax("GET", `/cards/?${query}`, { source: "#news", swap: "none" });
};

// ---- when the server does not answer, or something else answers in its place
document.addEventListener("htmx:beforeSwap", (event) => {
  const { detail } = event;
  if (/<html/i.test(detail.xhr.responseText.slice(0, 400))) {
    detail.shouldSwap = false;
    if (detail.requestConfig.verb !== "get") desk.trouble(desk.words("outage"));
    return;
  }
  // News replaced the button while its answer was on the way. htmx would look for the parts to swap in what was taken
  // out of the page, find none, and the person would never see what became of the press.
  if (!detail.shouldSwap || detail.target.id !== "news" || detail.requestConfig.elt.isConnected) return;
  detail.shouldSwap = false;
  htmx.swap("#news", detail.serverResponse, { swapStyle: "none", swapDelay: 0, settleDelay: 0 });
});
document.addEventListener("htmx:sendError", (event) => { if (event.detail.requestConfig.verb !== "get") desk.trouble(desk.words("outage")); });
})();
