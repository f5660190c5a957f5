// The parameter panel: values beside the sliders, presets that move them, knobs that sleep until they have an effect.
(() => {
"use strict";
const { desk } = window;
const field = (form, name) => form.elements.namedItem(name);
const knobs = (form) => [...form.querySelectorAll(".knob")];
const control = (knob) => knob.querySelector("input");

const show = (knob) => {
  const input = control(knob), output = knob.querySelector("output");
  if (!output) return;
  if (input.disabled) { output.value = desk.words("off"); return; }
  const places = Number(knob.dataset.places);
  const fixed = { minimumFractionDigits: places, maximumFractionDigits: places };
  const number = places ? Number(input.value).toLocaleString(desk.language, fixed) : input.value;
  const unit = number === "1" ? knob.dataset.unitOfOne : knob.dataset.unit;
  output.value = unit ? `${number} ${unit}` : number;
};

const wake = (form) => {
  for (const knob of knobs(form)) {
    const waker = knob.dataset.wakesWith && field(form, knob.dataset.wakesWith);
    if (waker) {
      control(knob).disabled = !waker.checked;
      knob.classList.toggle("off", !waker.checked);
      const why = knob.querySelector("[data-asleep]");
      if (why) why.hidden = waker.checked;
    }
    show(knob);
  }
};

const label = (form) => {
  const drafts = Number(field(form, "num_captions")?.value ?? 1);
  const words = form.querySelector("[data-go-label]");
  if (words) words.textContent = desk.words("draft", { number: drafts });
};

const preset = (form, radio) => {
  const values = JSON.parse(radio.dataset.values);
  for (const knob of knobs(form)) {
    const input = control(knob);
    if (input.type === "number") continue;
    if (input.type === "checkbox") input.checked = Boolean(values[input.name] ?? (knob.dataset.default === "True"));
    else input.value = values[input.name] ?? knob.dataset.default;
  }
};

const matchesNone = (form) => form.querySelectorAll("[name=preset]").forEach((radio) => { radio.checked = false; });

// More drafts than the search is wide is a contradiction: the width follows, unless words are picked by chance.
const widen = (form, moved) => {
  const drafts = field(form, "num_captions"), beams = field(form, "num_beams"), chance = field(form, "do_sample");
  if (!drafts || !beams || chance?.checked || Number(beams.value) >= Number(drafts.value)) return;
  if (moved === beams) drafts.value = beams.value; else beams.value = drafts.value;
};

const ready = (form) => {
  field(form, "tuned").value = "1";
  wake(form);
  label(form);
};
document.querySelectorAll("[data-panel]").forEach(ready);
for (const swapped of ["htmx:oobAfterSwap", "htmx:afterSwap"]) {
  document.addEventListener(swapped, () => document.querySelectorAll("[data-panel]").forEach(ready));
}
document.addEventListener("input", (event) => {
  const form = event.target.closest("[data-panel]");
  if (!form) return;
  if (event.target.name === "preset") preset(form, event.target);
  else if (event.target.name !== "seed" && event.target.name !== "model") matchesNone(form);
  widen(form, event.target);
  wake(form);
  label(form);
});

// ---- the draft that would be approved
const name = (radio) => {
  const words = radio?.form.querySelector("[data-approve-label]");
  if (!words) return;
  const number = [...radio.form.querySelectorAll(".alts input")].indexOf(radio) + 1;
  words.textContent = desk.words("approveDraft", { number });
};
const nameAll = () => name(document.querySelector(".alts input:checked"));
nameAll();
document.addEventListener("htmx:oobAfterSwap", nameAll);
document.addEventListener("change", (event) => { if (event.target.closest(".alts input")) name(event.target); });
})();
